"""The launch form's widgets for removal and recovery; only those that matter for the choices so far."""

from dataclasses import dataclass
from typing import Any, get_args

import streamlit as st

from app import text
from engine.spec import catalog
from engine.spec import run as specs
from engine.spec.catalog import CRITERIA
from engine.spec.parts import FEWEST_CALIBRATION_IMAGES, RecoverSpec
from engine.spec.run import ORDERS, Measure

_DEFAULT = specs.RunSpec()
_MEASURES: tuple[str, ...] = get_args(Measure)
_METHOD_DEFAULT = "own"  # the spec leaves the measure out, so that each method takes its own
_CRITERIONS_OWN = "own"
_RANKS = {"score": "score", "per-saving": "score per saving"}
_METHODS = {"one-shot": "One-shot", "direct": "Direct", "progressive": "Progressive"}


@dataclass(frozen=True)
class Removal:
    """What to remove and how: keys of the spec, and the criteria (or measures) that each make a run."""

    criteria: tuple[str, ...]
    ensemble: bool
    order: str
    depth: str
    width: str
    settings: dict[str, Any]

    @property
    def iterates(self) -> bool:
        """Whether some phase removes a little at a time."""
        return self.order == "alternate" or (self.depth, self.width) != ("one-shot", "one-shot")


def removal(head: Any) -> Removal:
    """The criteria, the order and each phase's method; the popover in `head` holds the rest."""
    criteria_place = st.container(gap="xsmall")
    order = st.selectbox(
        "Order",
        ORDERS,
        format_func=text.order_label,
        key="launch_order",
        persist_state="session",
        help="Whole layers, channels, one after the other, or step by step whichever hurts less.",
    )
    phases = specs.phases_of(order)
    depth = width = "one-shot"
    with st.container(horizontal=True, gap="small"):
        if "layers" in phases:
            depth = _method("Layers", "direct", "Direct measures what each layer's removal costs, one after the other.")
        if "channels" in phases:
            width = _method("Channels", "progressive", "Progressive tries a few channels of every layer, step by step.")
    by_measure = order == "layers" and depth == "direct"
    with criteria_place:
        criteria = _measures() if by_measure else _criteria(order)
        ensemble = not by_measure and len(criteria) > 1 and _ensemble()
    settings: dict[str, Any] = {"order": order, "depth": {"method": depth}, "width": {"method": width}}
    with head.popover("Method", icon=":material/tune:", type="tertiary"):
        if depth == "direct":
            settings["depth"] |= _floor()
        if order != "layers":
            settings["width"] |= _progressive() if width == "progressive" else _scope(criteria, ensemble)
            settings["width"]["round_to"] = st.number_input(
                "Keep multiples of", 1, 256, 1, key="launch_round", persist_state="session"
            )
        settings["keep_layers"] = _kept_layers()
        choice = Removal(tuple(criteria), ensemble, order, depth, width, settings)
        if choice.iterates:
            settings["attempt"] = _attempt(criteria if by_measure else None)
    return choice


def recovery(head: Any, removal: Removal, *, once: bool) -> dict[str, Any]:
    """The epochs, and what else gets accuracy back; the popover in `head` holds numbers that few change.

    `once`: there is no recovery between phases to decide on.
    """
    default = _DEFAULT.recover
    each_step = removal.depth == "direct"
    with st.container(horizontal=True, gap="small"):
        epochs = st.number_input(
            "Epochs",
            0,
            1000,
            default.epochs,
            key="launch_recover",
            persist_state="session",
            help="Direct removal spends them after every layer, unless batches are given." if each_step else None,
        )
        rate = _recovery_rate()
    settings: dict[str, Any] = {"epochs": epochs, "lr": rate}
    toggles = st.container(horizontal=True, gap="small")
    settings["reconstruct"] = toggles.toggle(
        "Reconstruct",
        default.reconstruct,
        key="launch_reconstruct",
        persist_state="session",
        help="After each cut, refit what is left to the untouched network's values, in seconds and without labels.",
    )
    if epochs or removal.iterates:
        settings["distil"] = toggles.toggle(
            "Distil",
            default.distil,
            key="launch_distil",
            persist_state="session",
            help="The untouched network teaches the pruned one.",
        )
    if removal.iterates or settings.get("distil") or settings["reconstruct"]:
        with head.popover("More", icon=":material/tune:", type="tertiary"):
            settings |= _reconstruction() if settings["reconstruct"] else {}
            settings |= _after_steps() if removal.iterates else {}
            settings |= _teacher() if settings.get("distil") else {}
    epochs_each_step = each_step and not settings.get("between_steps_batches")
    phases = specs.phases_of(removal.order)
    if len(phases) > 1 and not once and not (epochs_each_step and phases[0] == "layers"):
        settings["between_phases"] = toggles.toggle(
            "Also between phases",
            default.between_phases,
            key="launch_between",
            persist_state="session",
            help="Recover after the layers, too, before the channels go (or the other way round).",
        )
    return settings


def _recovery_rate() -> float:
    """A field of its own for plain cuts, as another rate suits them; the toggle below says which of them is shown."""
    reconstructs = st.session_state.get("launch_reconstruct", _DEFAULT.recover.reconstruct)
    return st.number_input(
        "Learning rate",
        0.0,
        10.0,
        RecoverSpec(reconstruct=reconstructs).lr,
        format="%g",
        key="launch_rlr" if reconstructs else "launch_rlr_plain",
        persist_state="session",
    )


def _criteria(order: str) -> list[str]:
    names = [name for name, criterion in CRITERIA.items() if order == "layers" or criterion.scope != "blocks"]
    return st.multiselect(
        "Criteria",
        names,
        default=[_DEFAULT.criterion],
        format_func=text.criterion_label,
        key="launch_criteria",
        persist_state="session",
        help="What decides how much a channel or a layer matters. One run each.",
    )


def _measures() -> list[str]:
    return st.multiselect(
        "Measures",
        [specs.criterion_of(measure) for measure in get_args(Measure)],
        default=["accuracy"],
        format_func=text.criterion_label,
        key="launch_measures",
        persist_state="session",
        help="What is measured without each layer; the one that is missed least goes. One run each.",
    )


def _ensemble() -> bool:
    return st.toggle(
        "Join them into one",
        key="launch_ensemble",
        persist_state="session",
        help="One run that ranks by all of them together.",
    )


def _method(what: str, iterative: str, explanation: str) -> str:
    return st.selectbox(
        what,
        ["one-shot", iterative],
        format_func=_METHODS.__getitem__,
        key=f"launch_{what.lower()}",
        persist_state="session",
        help=f"One-shot looks once and removes everything. {explanation}",
    )


def _floor() -> dict[str, Any]:
    floor = st.number_input(
        "Stop below this validation accuracy, %",
        0.1,
        99.9,
        None,
        1.0,
        key="launch_floor",
        persist_state="session",
        placeholder="never",
    )
    return {} if floor is None else {"floor": round(floor / 100, 6)}


def _kept_layers() -> list[str] | None:
    rules = st.text_input(
        "Layers that stay",
        placeholder="conv1, layer1.*, layer2.*=0.5",
        key="launch_kept_layers",
        persist_state="session",
        help="Names of layers and blocks; * is any text. With =0.5 a layer keeps at least that share of its channels.",
    )
    return [rule.strip() for rule in rules.split(",")] if rules.strip() else None


def _scope(criteria: list[str], ensemble: bool) -> dict[str, Any]:
    scope = st.segmented_control(
        "Compare channels",
        ["global", "uniform"],
        default="global",
        required=True,
        key="launch_scope",
        persist_state="session",
        format_func={"global": "Across layers", "uniform": "Within each layer"}.__getitem__,
    )
    return {"scope": scope, **(_rank(criteria, ensemble) if scope == "global" else {}), "least_share": _least_share()}


def _rank(criteria: list[str], ensemble: bool) -> dict[str, Any]:
    own = {catalog.rank_of(name, None) for name in (["+".join(criteria)] if ensemble else criteria)}
    rank = st.selectbox(
        "Rank channels by",
        [_CRITERIONS_OWN, "score", "per-saving"],
        format_func={
            _CRITERIONS_OWN: "the criterion's own" + (f": {_RANKS[own.pop()]}" if len(own) == 1 else ""),
            **_RANKS,
        }.__getitem__,
        key="launch_rank",
        persist_state="session",
        help="Per saving weighs what a channel matters against what it frees of the metric.",
    )
    return {} if rank == _CRITERIONS_OWN else {"rank": rank}


def _progressive() -> dict[str, Any]:
    default = _DEFAULT.width
    with st.grid(2, gap="small", min_column_width=120):
        fraction = _share(
            "Channels tried", 0.01, default.attempt_fraction, "launch_fraction", "Share of a layer's channels."
        )
        layers = _share("Layers cut a step", 0.01, default.layers_per_step, "launch_per_step", "Share of those tried.")
        least = _least_share()
        select = st.selectbox(
            "Rank by",
            ["per-saving", "rise"],
            format_func={"per-saving": "harm per saving", "rise": "harm"}.__getitem__,
            key="launch_select",
            persist_state="session",
        )
    return {"attempt_fraction": fraction, "layers_per_step": layers, "least_share": least, "select": select}


def _least_share() -> float:
    explanation = "Share of a layer's channels that stays."
    return _share("Always kept", 0.0, _DEFAULT.width.least_share, "launch_least", explanation)


def _share(label: str, least: float, default: float, key: str, explanation: str) -> float:
    most = 1.0 if key == "launch_per_step" else 0.99
    return st.number_input(label, least, most, default, 0.05, key=key, persist_state="session", help=explanation)


def _attempt(measures: list[str] | None) -> dict[str, Any]:
    """How attempts are judged; `measures` where the form has them in place of criteria."""
    settings: dict[str, Any] = {}
    if measures is None:
        measure = st.selectbox(
            "Judge attempts by",
            [_METHOD_DEFAULT, *_MEASURES],
            format_func=lambda name: "the method's own" if name == _METHOD_DEFAULT else text.measure_label(name),
            key="launch_measure",
            persist_state="session",
            help="Of its own accord direct takes accuracy, the others take the loss.",
        )
        settings = {} if measure == _METHOD_DEFAULT else {"measure": measure}
        measures = [measure]
    if not {"cka", "reconstruction", "obs"} & set(measures):  # no means over images
        settings["race"] = st.toggle(
            "Race",
            key="launch_race",
            persist_state="session",
            help="Attempts are dropped early once they can no longer be among the best. The choice is the same.",
        )
    return settings


def _reconstruction() -> dict[str, Any]:
    return {
        "calibration_images": st.number_input(
            "Reconstruct from", FEWEST_CALIBRATION_IMAGES, 1_000_000, None, key="launch_calibration",
            placeholder="1,024 training images; small networks more, large images fewer", persist_state="session",
        ),
        "ridge": st.number_input(
            "Ridge", 0.000001, 1_000.0, _DEFAULT.recover.ridge, format="%g", key="launch_ridge",
            persist_state="session",
        ),
    }  # fmt: skip


def _after_steps() -> dict[str, Any]:
    batches = st.number_input(
        "Batches after each step",
        0,
        100_000,
        _DEFAULT.recover.between_steps_batches,
        10,
        key="launch_batches",
        persist_state="session",
    )
    return {"between_steps_batches": batches}


def _teacher() -> dict[str, Any]:
    default = _DEFAULT.recover
    return {
        "temperature": st.number_input(
            "Temperature", 0.1, 100.0, default.temperature, 0.5, key="launch_temperature", persist_state="session"
        ),
        "distil_weight": st.number_input(
            "Teacher's part of the loss", 0.01, 1.0, default.distil_weight, 0.1, key="launch_teacher",
            persist_state="session",
        ),
    }  # fmt: skip
