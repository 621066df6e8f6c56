"""What a request says of the phases that each target passes through: their order, recovery, trajectories. No torch."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from engine.errors import WorkError
from engine.spec.parts import DepthSpec, RecoverSpec, TargetSpec, WidthSpec
from engine.spec.run import RunSpec

_PARTS: Mapping[str, type[BaseModel]] = {
    "depth": DepthSpec,
    "width": WidthSpec,
    "target": TargetSpec,
    "recover": RecoverSpec,
}


def of_request(request: Mapping[str, Any]) -> RunSpec:
    """A stored request as far as its phases follow from it, unchecked and with today's defaults for what it lacks.

    One that this version refuses for another reason, such as a dataset that was moved away, has phases all the same.
    WorkError when a part of it is no object.
    """
    values_of = {name: request.get(name, {}) for name in _PARTS}
    damaged = [name for name, values in values_of.items() if not isinstance(values, Mapping)]
    if damaged:
        raise WorkError(f"a stored request is damaged: its {damaged[0]} is no object")
    parts: dict[str, Any] = {name: part.model_construct(**values_of[name]) for name, part in _PARTS.items()}
    order = {"order": request["order"]} if "order" in request else {}
    return RunSpec.model_construct(**order, **parts)


def targets(spec: RunSpec) -> list[float]:
    """The targets as they are worked on: an iterative first phase passes the larger ones on its way to the smaller."""
    keep = list(spec.target.keep)
    return sorted(keep, reverse=True) if spec.iterates(spec.phases()[0]) else keep


def ends_with_recovery(spec: RunSpec, phase: str) -> bool:
    """Whether the network is fine-tuned once a phase has met its target."""
    recovers = spec.recover.epochs > 0 or spec.recover.reestimate_bn
    at_this_phase = spec.recover.between_phases or phase == spec.phases()[-1]
    return recovers and at_this_phase and not whole_epochs_each_step(spec, phase)


def ends_target_with_recovery(spec: RunSpec, phase: str) -> bool:
    """Whether a phase is a target's last one, and the network is fine-tuned after it."""
    return phase == spec.phases()[-1] and ends_with_recovery(spec, phase)


def whole_epochs_each_step(spec: RunSpec, phase: str) -> bool:
    """Whether each step gets the epochs: direct removal's transfer learning, unless the spec names some batches."""
    return phase == "layers" and spec.depth.method == "direct" and not spec.recover.between_steps_batches


def trajectory(spec: RunSpec, phase: str, keep: float) -> str:
    """The name of the trajectory that the steps of an iterative phase belong to, unique in a run.

    A first phase passes all targets on one trajectory, a later one starts anew from each of them.
    """
    return phase if phase == spec.phases()[0] else f"{phase} {keep:g}"


def passed(spec: RunSpec, phase: str, keep: float) -> tuple[float, ...]:
    """The targets that a trajectory has behind it when it begins to work on `keep`, in the order of passing them."""
    if phase != spec.phases()[0]:
        return ()
    order = targets(spec)
    return tuple(order[: order.index(keep)]) if keep in order else ()
