"""What a sweep's file says: its name, the threads of each run, a spec with lists in it, and exceptions. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import RequestError
from engine.spec.ids import check_experiment
from engine.spec.messages import object_of, quote

KEYS = ("name", "threads", "spec", "include", "exclude")
MOST_THREADS = 1024


@dataclass(frozen=True)
class Document:
    """A sweep as its file has it: `spec` and the entries of `include` are specs, in which a list makes a grid.

    Each entry of `include` stands for the spec with the entry's keys in the place of its own, once more; what has all
    the keys of an entry of `exclude` is left out of the spec's grid. Every run computes with `threads`.
    """

    name: str
    threads: int
    spec: Mapping[str, Any]
    include: Sequence[Mapping[str, Any]]
    exclude: Sequence[Mapping[str, Any]]


def read(raw: Any, shown: str) -> Document:
    """The document in plain values; RequestError, which calls the file `shown`, for the first thing that is wrong."""
    raw = object_of(raw, KEYS, shown, "sweep", "a name and a spec")
    if "name" not in raw or "spec" not in raw:
        missing = "name" if "name" not in raw else "spec"
        raise RequestError(f"{shown} has no {missing}; a sweep has a name and a spec", field=missing)
    spec = raw["spec"]
    if not isinstance(spec, Mapping):
        raise RequestError(f"spec of {shown} must be an object with the keys of a spec (got {quote(spec)})")
    return Document(
        _name(raw["name"], shown),
        _threads(raw.get("threads", 1), shown),
        spec,
        _entries(raw, "include", shown),
        _entries(raw, "exclude", shown),
    )


def _name(value: Any, shown: str) -> str:
    if not isinstance(value, str):
        raise RequestError(f"name of {shown} must be text (got {quote(value)}); put it in quotes", field="name")
    return check_experiment(value)


def _threads(value: Any, shown: str) -> int:
    if type(value) is not int or not 1 <= value <= MOST_THREADS:
        sentence = f"threads of {shown} must be a whole number of 1 to {MOST_THREADS:,} (got {quote(value)})"
        raise RequestError(sentence, field="threads")
    return value


def _entries(raw: Mapping[str, Any], key: str, shown: str) -> Sequence[Mapping[str, Any]]:
    entries = raw.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) and entry for entry in entries):
        sentence = f"{key} of {shown} must be a list of objects, each with some keys of a spec (got {quote(entries)})"
        raise RequestError(sentence, field=key)
    if key in raw and not entries:
        raise RequestError(f"{key} of {shown} is a list with nothing in it; leave it out", field=key)
    return entries
