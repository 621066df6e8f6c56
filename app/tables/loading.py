"""What loading the data and the weights of a request decides, before it is launched; from a child process, cached."""

import tempfile
from dataclasses import dataclass

import streamlit as st

from app.tables import store
from app.tables.store import Stamps, SummaryFailure, ask_engine, results_root, stamps
from engine.errors import RequestError, WorkError
from engine.graph.summary import ModelSummary
from engine.spec import run as specs
from engine.spec.catalog import FAMILIES, paths_of
from engine.spec.networks import own_names
from engine.spec.parts import USUAL_HEAD_EPOCHS
from engine.spec.run import RunSpec

_USUAL_CLASSES = 1000  # of timm's published weights


@dataclass(frozen=True)
class Loaded:
    """The network of a request, what was decided on the way to it, and whether its head has still to be trained.

    Of what was not loaded, shipped data and published weights, only what is known by their names.
    """

    summary: ModelSummary
    notes: tuple[str, ...]
    new_head: bool
    by_name: bool = False


def reads_files(spec: RunSpec) -> bool:
    """Whether a request names files of the user's own, about which something is to be decided."""
    own = spec.weights not in ("none", "hub") or own_names.is_own(spec.model)
    return own or bool(paths_of(spec.data.name)) or spec.data.root is not None


def key(spec: RunSpec) -> str:
    """What of a request matters to loading it, as JSON: equal ones have the same decisions, but for changed files."""
    asked = {
        "model": spec.model,
        "weights": spec.weights,
        "data": spec.data.model_dump(mode="json"),
        "order": spec.order,
        "keep_layers": spec.keep_layers,
        "seed": spec.seed,
        "train": {"epochs": spec.train.epochs or USUAL_HEAD_EPOCHS},
    }
    return specs.parse(asked).canonical()


def load_or_look_up(spec: RunSpec, *, asked: bool) -> Loaded | SummaryFailure:
    """The decisions for a request whose files are the user's own, or that were asked for; else what its names say."""
    if asked or reads_files(spec):
        return load(spec)
    summary = store.summary(spec)
    if isinstance(summary, SummaryFailure):
        return summary
    theirs = FAMILIES[spec.model].classes if spec.model in FAMILIES else _USUAL_CLASSES
    if spec.weights != "hub" or theirs == summary.classes:
        return Loaded(summary, (), new_head=False, by_name=True)
    said = f"hub weights: head replaced, {theirs:,} → {summary.classes:,} classes; so it is new"
    return Loaded(summary, (said,), new_head=True, by_name=True)


def load(spec: RunSpec) -> Loaded | SummaryFailure:
    """The decisions for a request, or why it cannot be met, which is believed for a few seconds only."""
    return _loaded_or_failure(key(spec), str(results_root()), stamps(spec))


@st.cache_data(max_entries=64, ttl="15s", show_spinner=False)
def _loaded_or_failure(request: str, results: str, stamps: Stamps) -> Loaded | SummaryFailure:
    try:
        return _loaded(request, results, stamps)
    except WorkError as error:
        return SummaryFailure(str(error))
    except RequestError as error:
        return SummaryFailure(str(error), error.field)


@st.cache_data(max_entries=64, show_spinner=False)
def _loaded(request: str, results: str, stamps: Stamps) -> Loaded:
    """The child's output; `stamps` only make the cache tell changed files from unchanged ones.

    The request goes as a file: what a form names is no word from a terminal, on which code of the user's would run.
    """
    with tempfile.NamedTemporaryFile("w", prefix="espalier-check-", suffix=".json", encoding="utf-8") as file:
        file.write(request)
        file.flush()
        document = ask_engine("check", "--spec", file.name, "--results", results)
    notes, summary = document["notes"], ModelSummary.from_json(document["summary"])
    return Loaded(summary, tuple(map(str, notes)), bool(document["new_head"]))
