"""The launch form: six short sections, each with the place of its error."""

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app import escape
from app.launch import data, methods, target
from app.launch import request as forms
from engine.errors import RequestError, WorkError
from engine.spec import run as specs
from engine.spec.catalog import MODELS, TIMM_MODELS
from engine.spec.settings import Section
from engine.zoo.own import listing

_DEFAULT = specs.parse({})
HEAD_EPOCHS_KEY = "launch_epochs_False"  # of the epochs before pruning where weights are given


@dataclass
class FormState:
    """What the form holds, and for each section the place of its error."""

    request: forms.Request | forms.Refusal
    errors: dict[Section, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Section:
    head: Any
    fields: Any


def draw() -> FormState:
    """Draws the six sections, two side by side."""
    base: dict[str, Any] = {}
    error_places: dict[Section, Any] = {}
    grid = st.grid(2, gap="small", min_column_width=260)
    section = _section(grid, "1 · Network", "network", error_places)
    with section.fields:
        base |= _network(section.head)
    section = _section(grid, "2 · Data", "data", error_places)
    with section.fields:
        base |= data.draw(section.head, given=base["weights"] != "none")
    section = _section(grid, "3 · What to remove", "remove", error_places)
    with section.fields:
        removal = methods.removal(section.head)
        base |= removal.settings
    section = _section(grid, "4 · How far", "target", error_places)
    with section.fields:
        distance = target.draw(section.head, removal.order)
        base["int8"] = section.head.toggle(
            "INT8 too", key="launch_int8", persist_state="session", help="Each model once more, in 8-bit integers."
        )
    section = _section(grid, "5 · Recovery", "recover", error_places)
    with section.fields:
        base["recover"] = methods.recovery(section.head, removal, once=distance.asks_accuracy)
    with _section(grid, "6 · Seeds", "seeds", error_places).fields:
        seed_entries, base["device"] = _seeds()
    try:
        base["target"] = distance.settings()
        request: forms.Request | forms.Refusal = forms.Request(
            base, removal.criteria, removal.ensemble, forms.seeds(seed_entries)
        )
    except RequestError as error:
        request = forms.Refusal.of(str(error), error.field)
    return FormState(request, error_places)


def _section(grid: Any, title: str, name: Section, error_places: dict[Section, Any]) -> Any:
    """A section's fields, the head that its rarer settings go into, and (kept for later) the place of its error."""
    box = grid.container(border=True, gap="xsmall", height="stretch")
    head = box.container(horizontal=True, vertical_alignment="center", gap="small")
    head.markdown(f"**{title}**", width="stretch")
    fields = box.container(gap="xsmall")
    error_places[name] = box.empty()
    return _Section(head, fields)


def _network(head: Any) -> dict[str, Any]:
    models = _models()
    model = st.selectbox(
        "Model", models, index=models.index(_DEFAULT.model), key="launch_model", persist_state="session"
    )
    source = st.segmented_control(
        "Weights",
        ["none", "hub", "file"],
        default="none",
        required=True,
        key="launch_weights",
        persist_state="session",
        format_func={"none": "From scratch", "hub": "Pretrained", "file": "My file"}.__getitem__,
        width="stretch",
    )
    settings: dict[str, Any] = {"model": model, "weights": source}
    epochs = _DEFAULT.train.epochs if source == "none" else 0
    if source == "file":
        settings["weights"] = st.text_input(
            "Weights file",
            placeholder="/path/to/checkpoint.pth, FILE#KEY or RUN:POINT",
            key="launch_file",
            persist_state="session",
        ).strip()
    with head.popover("Training", icon=":material/tune:", type="tertiary"):
        settings["train"] = {
            "epochs": st.number_input(
                "Epochs before pruning",
                0,
                1000,
                epochs,
                key="launch_epochs_True" if source == "none" else HEAD_EPOCHS_KEY,
                persist_state="session",
            ),
            "lr": st.number_input(
                "Learning rate", 0.0, 10.0, _DEFAULT.train.lr, format="%g", key="launch_lr", persist_state="session"
            ),
            "batch_size": st.number_input(
                "Batch size", 2, 4096, _DEFAULT.train.batch_size, key="launch_batch", persist_state="session"
            ),
        }
    return settings


def _models() -> list[str]:
    """The catalogue's models, those that this user has put on a list of their own in a terminal, and timm's."""
    try:
        own = listing.names()
    except WorkError as error:
        st.warning(escape.message(error))
        own = ()
    models = [*MODELS, *own, *TIMM_MODELS]
    if st.session_state.get("launch_model") not in (None, *models):  # taken off the list meanwhile
        del st.session_state["launch_model"]
    return models


def _seeds() -> tuple[list[int | str], str]:
    seeds = st.multiselect(
        "Seeds",
        list(range(5)),
        default=[0],
        accept_new_options=True,
        key="launch_seeds",
        persist_state="session",
        help="One run each; from three on, curves get a 95 % band.",
    )
    device = st.segmented_control(
        "Run on",
        ["auto", "cpu", "cuda"],
        default="auto",
        required=True,
        key="launch_device",
        persist_state="session",
        format_func={"auto": "Best there is", "cpu": "CPU", "cuda": "GPU"}.__getitem__,
    )
    return seeds, device
