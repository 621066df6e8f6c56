"""The kinds of inputs, each in a module of its own that is imported when it is tried: some need torch."""

import importlib

from benchmarks.fuzz.trial import Kind

KINDS = ("specs", "jobs", "index", "devices", "npz", "weights", "checkpoints", "plans", "tables", "links")
COUNT, BATCH = 10_000, 1000  # inputs of a kind, and of them in one process, unless said otherwise
FEWER = {"links": (1000, 250)}  # a quarter of a second each


def load(name: str) -> Kind:
    """The kind of that name."""
    kind = importlib.import_module(f"benchmarks.fuzz.kinds.{name}").KIND
    assert isinstance(kind, Kind)
    return kind
