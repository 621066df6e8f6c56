"""The launch form's widgets for recovery; only those that matter for the choices so far."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.launch import fields
from app.launch.removal import Method, Removal
from engine.spec import run as specs
from engine.spec.parts import RecoverSpec

_DEFAULT = specs.RunSpec().recover


@dataclass(frozen=True)
class Recovery:
    """What gets accuracy back: settings of every method, and those that only some have."""

    shared: dict[str, Any]
    after_steps: dict[str, Any]
    distillation: dict[str, Any]
    between_phases: bool | None

    def settings(self, method: Method, *, once: bool) -> dict[str, Any]:
        """The keys of the spec for one of the methods; `once`: there is no recovery between phases to decide on."""
        settings = dict(self.shared)
        if method.iterates:
            settings |= self.after_steps
        if self.shared["epochs"] or method.iterates:
            settings |= self.distillation
        if self.between_phases is not None and _recovers_between(method, self.after_steps, once=once):
            settings["between_phases"] = self.between_phases
        return settings


def draw(head: Any, removal: Removal, *, once: bool) -> Recovery:
    """The epochs, and what else gets accuracy back; the popover in `head` holds numbers that few change."""
    each_step = any(method.depth == "direct" for method in removal.methods)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        epochs = fields.whole(
            "Epochs",
            _DEFAULT.epochs,
            "launch_recover",
            step=1,
            help="Direct removal spends them after every layer, unless batches are given." if each_step else None,
        )
        rate = _recovery_rate()
    shared: dict[str, Any] = {"epochs": epochs, "lr": rate}
    toggles = st.container(horizontal=True, gap="small")
    shared["reconstruct"] = toggles.toggle(
        "Reconstruct",
        _DEFAULT.reconstruct,
        key="launch_reconstruct",
        persist_state="session",
        help="After each cut, refit what is left to the untouched network's values, in seconds and without labels.",
    )
    distils = bool(epochs or removal.iterates) and toggles.toggle(
        "Distil",
        _DEFAULT.distil,
        key="launch_distil",
        persist_state="session",
        help="The untouched network teaches the pruned one.",
    )
    after_steps: dict[str, Any] = {}
    distillation: dict[str, Any] = {"distil": distils}
    if removal.iterates or distils or shared["reconstruct"]:
        with head.popover("More", icon=":material/tune:", type="tertiary"):
            shared |= _reconstruction() if shared["reconstruct"] else {}
            after_steps = _after_steps() if removal.iterates else {}
            distillation |= _teacher() if distils else {}
    between = None
    if any(_recovers_between(method, after_steps, once=once) for method in removal.methods):
        between = toggles.toggle(
            "Also between phases",
            _DEFAULT.between_phases,
            key="launch_between",
            persist_state="session",
            help="Recover after the layers, too, before the channels go (or the other way round).",
        )
    return Recovery(shared, after_steps, distillation, between)


def _recovers_between(method: Method, after_steps: dict[str, Any], *, once: bool) -> bool:
    """Whether there is a recovery between phases to decide on."""
    epochs_each_step = method.depth == "direct" and not after_steps.get("between_steps_batches")
    first = specs.phases_of(method.order)[0]
    return method.splits and not once and not (epochs_each_step and first == "layers")


def _recovery_rate() -> Any:
    """A field of its own for plain cuts, as another rate suits them; the toggle below says which of them is shown."""
    reconstructs = st.session_state.get("launch_reconstruct", _DEFAULT.reconstruct)
    key = "launch_rlr" if reconstructs else "launch_rlr_plain"
    return fields.number("Learning rate", RecoverSpec(reconstruct=reconstructs).lr, key)


def _reconstruction() -> dict[str, Any]:
    placeholder = "1,024 training images; small networks more, large images fewer"
    return {
        "calibration_images": fields.whole("Reconstruct from", None, "launch_calibration", placeholder=placeholder),
        "ridge": fields.number("Ridge", _DEFAULT.ridge, "launch_ridge"),
    }


def _after_steps() -> dict[str, Any]:
    batches = fields.whole("Batches after each step", _DEFAULT.between_steps_batches, "launch_batches")
    return {"between_steps_batches": batches}


def _teacher() -> dict[str, Any]:
    return {
        "temperature": fields.number("Temperature", _DEFAULT.temperature, "launch_temperature"),
        "distil_weight": fields.number("Teacher's part of the loss", _DEFAULT.distil_weight, "launch_teacher"),
    }
