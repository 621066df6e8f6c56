"""The launch form: six short sections, each with the place of its error."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app.components import own_networks
from app.launch import data, fields, recovery, removal, target
from app.launch import request as forms
from app.launch.presets import fill
from app.launch.uploads import path_field
from app.tables import gpu
from engine.errors import RequestError
from engine.spec import catalog
from engine.spec import run as specs
from engine.spec.catalog import FAMILIES, MODELS, TIMM_MODELS
from engine.spec.networks import own_names
from engine.spec.settings import Section, overlay

_DEFAULT = specs.parse({})
HEAD_EPOCHS_KEY = "launch_epochs_False"  # of the epochs before pruning where weights are given
_WEIGHTS = {"none": "From scratch", "hub": "Pretrained", "file": "My file"}
_DEVICES = {"auto": "Best there is", "cpu": "CPU", "cuda": "GPU"}


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
    network = _section(grid, "1 · Network", "network", error_places)
    with network.fields:
        base |= _network(network.head)
    section = _section(grid, "2 · Data", "data", error_places)
    with section.fields:
        base |= data.draw(section.head, given=base["weights"] != "none")
    if base["weights"] == "hub":
        with network.fields:
            _show_origin(base["model"], base["data"]["name"])
    section = _section(grid, "3 · What to remove", "remove", error_places)
    with section.fields:
        choice = removal.draw(section.head)
        base["keep_layers"] = choice.kept_layers
    section = _section(grid, "4 · How far", "target", error_places)
    with section.fields:
        distance = target.draw(section.head, choice.methods)
        base["int8"] = section.head.toggle(
            "INT8 too", key="launch_int8", persist_state="session", help="Each model once more, in 8-bit integers."
        )
    section = _section(grid, "5 · Recovery", "recover", error_places)
    with section.fields:
        recovers = recovery.draw(section.head, choice, once=distance.asks_accuracy)
    with _section(grid, "6 · Seeds", "seeds", error_places).fields:
        seed_entries, base["device"] = _seeds()
    return FormState(_request(base, choice, distance, recovers, seed_entries), error_places)


def _request(
    base: dict[str, Any],
    choice: removal.Removal,
    distance: target.Distance,
    recovers: recovery.Recovery,
    seed_entries: Sequence[int | str],
) -> forms.Request | forms.Refusal:
    """What the sections hold together; or the first list of theirs that holds no list."""
    once = distance.asks_accuracy
    try:
        methods = tuple(
            {
                **choice.settings(method),
                "target": distance.settings(method),
                "recover": recovers.settings(method, once=once),
            }
            for method in choice.methods
        )
        seeds = forms.seeds(seed_entries)
    except RequestError as error:
        return forms.Refusal.of(str(error), error.field)
    kept = fill.kept()
    return forms.Request(overlay(kept, base), choice.criteria, choice.ensemble, seeds, choice.measures, methods)


def _section(grid: Any, title: str, name: Section, error_places: dict[Section, Any]) -> _Section:
    """A section's fields, the head that its rarer settings go into, and (kept for later) the place of its error."""
    box = grid.container(border=True, gap="xsmall", height="stretch")
    head = box.container(horizontal=True, vertical_alignment="center", gap="small")
    head.markdown(f"**{title}**", width="stretch")
    section = box.container(gap="xsmall")
    error_places[name] = box.empty()
    return _Section(head, section)


def _network(head: Any) -> dict[str, Any]:
    models = _models()
    model = st.selectbox(
        "Model", models, index=models.index(_DEFAULT.model), key="launch_model", persist_state="session"
    )
    source = _weights(model)
    settings: dict[str, Any] = {"model": model, "weights": source}
    if source == "file":
        hint = "/path/to/checkpoint.pth, FILE#KEY or RUN:POINT"
        settings["weights"] = path_field.draw("Weights file", "weights", "launch_file", hint)
    with head.popover("Training", icon=":material/tune:", type="tertiary"):
        settings["train"] = _training(from_scratch=source == "none")
    return settings


def _weights(model: str) -> str:
    """Where the weights come from; published ones are offered where there are any."""
    options = [name for name in _WEIGHTS if name != "hub" or _has_published(model)]
    if st.session_state.get("launch_weights") not in (None, *options):  # another model now
        del st.session_state["launch_weights"]
    return st.segmented_control(
        "Weights",
        options,
        default="none",
        required=True,
        key="launch_weights",
        persist_state="session",
        format_func=_WEIGHTS.__getitem__,
        width="stretch",
    )


def _has_published(model: str) -> bool:
    """Whether somebody may have published weights of a network: timm says so of its own when they are asked for."""
    return bool(FAMILIES[model].hub) if model in FAMILIES else not own_names.is_own(model)


def _training(*, from_scratch: bool) -> dict[str, Any]:
    default = _DEFAULT.train
    epochs = default.epochs if from_scratch else 0
    key = "launch_epochs_True" if from_scratch else HEAD_EPOCHS_KEY
    return {
        "epochs": fields.whole("Epochs before pruning", epochs, key, step=1),
        "lr": fields.number("Learning rate", default.lr, "launch_lr"),
        "batch_size": fields.whole("Batch size", default.batch_size, "launch_batch"),
    }


def _show_origin(model: str, data_name: Any) -> None:
    """Which images published weights know, and a warning where the run's are others."""
    origin = FAMILIES[model].trained_on if model in FAMILIES else ""
    if not origin:
        st.caption("As timm has them, most of its weights trained on ImageNet.")
        return
    title, source = catalog.title_of(origin), str(data_name).partition(">")[0]
    if source == origin:
        st.caption(f"Trained on {title}, as these images are.")
    elif source in catalog.DATASETS:
        images = catalog.title_of(source)
        st.warning(f"Trained on {title}; this run's images are {images}, so give epochs before pruning (Training).")
    else:
        st.caption(f"Trained on {title}; give epochs before pruning (Training) where your images are others.")


def _models() -> list[str]:
    """The catalogue's models, those that this user has put on a list of their own in a terminal, and timm's."""
    models = [*MODELS, *own_networks.names(), *TIMM_MODELS]
    if st.session_state.get("launch_model") not in (None, *models):  # taken off the list meanwhile
        del st.session_state["launch_model"]
    return models


def _seeds() -> tuple[list[int | str], str]:
    seeds = st.multiselect(
        "Seeds",
        fill.SEEDS,
        default=[0],
        accept_new_options=True,
        key="launch_seeds",
        persist_state="session",
        help="One run each; from three on, curves get a 95 % band.",
    )
    options = [name for name in _DEVICES if name != "cuda" or gpu.is_there()]
    if st.session_state.get("launch_device") not in (None, *options):  # of a run on another computer
        del st.session_state["launch_device"]
    device = st.segmented_control(
        "Run on",
        options,
        default="auto",
        required=True,
        key="launch_device",
        persist_state="session",
        format_func=_DEVICES.__getitem__,
    )
    return seeds, device
