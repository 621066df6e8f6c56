"""The form that starts a landscape, in a popover: what is asked, how long it will take, and the button."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import format, text
from app.components import actions, own_networks
from app.landscape import address
from app.landscape.estimate import Reference, estimate
from app.tables import landscapes, loading, store
from engine.errors import RequestError, WorkError
from engine.graph.summary import ModelSummary
from engine.jobs import preflight
from engine.prune.forecast import forecast
from engine.spec import catalog
from engine.spec.landscape import request as landscape_request
from engine.spec.landscape.flags import command_line
from engine.spec.landscape.request import MOST_SIDE, ORDERS, LandscapeRequest

_KEY, _SUBMITTED = "landscape_form", "landscape_submitted"
_DEFAULT = LandscapeRequest()
_WEIGHTS = {"none": "From scratch", "hub": "Pretrained", "file": "My file"}
# What the form calls settings that sentences of the engine name.
_WORDS = {
    "data.root": "the folder of the data",
    "data.limit": "the number of images",
    "data.name": "the images",
    "train.epochs": "the epochs before pruning",
}


def draw(jobs: Sequence[Mapping[str, Any]], *, first: bool = False) -> None:
    """The popover; `first` where there is no landscape yet and it is the one thing to do."""
    popover = st.popover(
        "Measure a landscape",
        icon=":material/add:",
        type="primary" if first else "secondary",
        key=_KEY,
        on_change="rerun",
    )
    if popover.open:
        with popover:
            _form(jobs)


def _form(jobs: Sequence[Mapping[str, Any]]) -> None:
    raw, missing = _ask()
    refusal = missing
    request = summary = None
    if refusal is None:
        try:
            request = landscape_request.parse(raw)
            preflight.check_request(request.spec)
        except RequestError as error:
            refusal = _in_words(str(error))
    if request is not None and refusal is None:
        with st.skeleton(height=60):
            outcome = _summary(request)
        summary, refusal = (outcome, None) if isinstance(outcome, ModelSummary) else (None, outcome)
    if request is None or summary is None:
        if refusal is not None and refusal == missing:
            st.caption(refusal)
        elif refusal is not None:
            st.error(refusal, icon=":material/error:")
        st.button("Measure", type="primary", width="stretch", disabled=True, key="landscape_refused")
        return
    _show_estimate(request, summary.macs, jobs)
    st.button("Measure", type="primary", width="stretch", key="landscape_measure", on_click=_submit, args=(request,))
    with st.expander("The command line that does the same", icon=":material/terminal:"):
        st.code(command_line(request), language=None, wrap_lines=True)


def _ask() -> tuple[dict[str, Any], str | None]:
    """The widgets: the request as they have it, and what has still to be typed."""
    spec: dict[str, Any] = {}
    left, right = st.columns(2, gap="small")
    spec["model"] = left.selectbox("Model", _models(), key="landscape_model", persist_state="session")
    with right:
        spec["data"], no_folder = _ask_for_data()
    source = st.segmented_control(
        "Weights", list(_WEIGHTS), default="none", required=True, key="landscape_weights", persist_state="session",
        format_func=_WEIGHTS.__getitem__, width="stretch",
    )  # fmt: skip
    missing = None
    spec["weights"] = source
    if source == "file":
        spec["weights"] = st.text_input(
            "Weights file", placeholder="/path/to/checkpoint.pth, FILE#KEY or RUN:POINT", key="landscape_file",
            persist_state="session",
        ).strip()  # fmt: skip
        missing = None if spec["weights"] else "Give the path of a weights file."
    spec["criterion"] = st.selectbox(
        "Criterion", _criteria(), index=_criteria().index(_DEFAULT.spec.criterion), key="landscape_criterion",
        persist_state="session", format_func=text.criterion_label,
    )  # fmt: skip
    spec["order"] = st.segmented_control(
        "Order", ORDERS, default=ORDERS[0], required=True, key="landscape_order", persist_state="session",
        format_func=text.order_label, width="stretch",
    )  # fmt: skip
    # Without bounds of their own: a field that refuses a number goes on holding the one before, unseen.
    with st.container(horizontal=True, gap="small"):
        grid = st.number_input(
            "Shares a side", value=_DEFAULT.grid, key="landscape_grid", persist_state="session",
            help=f"9 gives 9 × 9 networks; at most {MOST_SIDE}.",
        )  # fmt: skip
        epochs = st.number_input(
            "Epochs before pruning", value=_DEFAULT.spec.train.epochs if source == "none" else 0,
            key=f"landscape_epochs_{source == 'none'}", persist_state="session",
        )  # fmt: skip
    spec["train"] = {"epochs": epochs}
    return {"spec": spec, "grid": grid}, missing or no_folder


def _ask_for_data() -> tuple[dict[str, Any], str | None]:
    name = st.selectbox(
        "Images", list(catalog.DATASETS), key="landscape_data", persist_state="session", accept_new_options=True,
        help="A dataset by name, or type folder:PATH or npz:PATH.",
    )  # fmt: skip
    data: dict[str, Any] = {"name": name}
    dataset = catalog.DATASETS.get(name)
    if dataset is None or dataset.root is None:
        return data, None
    root = st.text_input("Folder of the data", key="landscape_root", persist_state="session").strip()
    if root:
        data["root"] = root
    elif dataset.root.requirement:
        return data, f"{name} needs a folder: {dataset.root.requirement}."
    return data, None


def _models() -> list[str]:
    return [*catalog.MODELS, *own_networks.names()]


def _criteria() -> list[str]:
    return [name for name, criterion in catalog.CRITERIA.items() if criterion.scope == "both"]


def _summary(request: LandscapeRequest) -> ModelSummary | str:
    """The network's arithmetic, or why the landscape cannot be made; from a process of the engine, and cached."""
    loaded = loading.load_or_look_up(request.spec, asked=False)
    if isinstance(loaded, store.SummaryFailure):
        return _in_words(loaded.sentence)
    if loaded.new_head and request.spec.train.epochs == 0:
        return "The head is new, as the weights have other classes: give it epochs before pruning."
    try:
        forecast(loaded.summary, request.feasible())
    except RequestError as error:
        return _in_words(str(error))
    return loaded.summary


def _in_words(sentence: str) -> str:
    for name, words in _WORDS.items():
        sentence = sentence.replace(name, words)
    if sentence.startswith("grid "):
        sentence = f"shares a side{sentence.removeprefix('grid')}"
    return text.sentence(sentence)


def _show_estimate(request: LandscapeRequest, macs: int, jobs: Sequence[Mapping[str, Any]]) -> None:
    expected = estimate(request, macs, _references(jobs))
    cells = f"{request.grid} × {request.grid} networks"
    epochs = request.spec.train.epochs
    training = f", after {epochs} epoch{'s' if epochs != 1 else ''} for the baseline" if epochs else ""
    if expected is None:
        st.caption(f"{cells}{training}. How long it takes is shown from the first cell on.")
        return
    where = "as earlier ones took on this machine" if expected.own else "as the shipped ones took on theirs"
    st.caption(f"{cells}{training}: roughly {format.minutes(expected.seconds)}, {where}.")


def _references(jobs: Sequence[Mapping[str, Any]]) -> list[Reference]:
    """The landscapes that are done, newest first, each with its figures; those that cannot be read say nothing."""
    references = []
    for job in jobs:
        if job["state"] != "done":
            continue
        try:
            grid = landscapes.grid(job["run_id"])
        except (RequestError, WorkError):  # its own place on the page says so
            continue
        if grid is not None:
            references.append(Reference(job, grid))
    return references


def _submit(request: LandscapeRequest) -> None:
    """Queues the landscape once, however often it is clicked within a moment, closes the form and shows its card."""
    if actions.submit_once(_SUBMITTED, request, lambda: _queue(request)):
        st.session_state[_KEY] = False


def _queue(request: LandscapeRequest) -> bool:
    submitted: list[str] = []
    queued = actions.enqueue(
        lambda: submitted.append(store.queue().submit_landscape(request).id),
        "Landscape queued; it appears cell by cell",
    )
    if submitted:
        st.query_params[address.LANDSCAPE] = submitted[0]
    return queued
