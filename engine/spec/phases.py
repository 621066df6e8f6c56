"""What a request says of the phases that each target passes through: their order, recovery, trajectories. No torch."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from engine.errors import WorkError
from engine.spec.messages import quote, refusal
from engine.spec.parts import DepthSpec, RecoverSpec, TargetSpec, WidthSpec
from engine.spec.run import ORDERS, RunSpec
from engine.spec.settings import with_earlier

_PARTS: Mapping[str, type[BaseModel]] = {
    "depth": DepthSpec,
    "width": WidthSpec,
    "target": TargetSpec,
    "recover": RecoverSpec,
}


def of_request(request: Mapping[str, Any]) -> RunSpec:
    """A stored request as far as its phases follow from it, with today's defaults for what it lacks.

    One that this version refuses for another reason, such as a dataset that was moved away, has phases all the same.
    WorkError when a part that they follow from holds what none ever did.
    """
    if not isinstance(request, Mapping):
        raise WorkError("a stored request is damaged: it is no object")
    request = with_earlier({key: request[key] for key in ("order", *_PARTS) if key in request}, RunSpec)
    order = request.get("order", RunSpec.model_fields["order"].default)
    if order not in ORDERS:
        raise WorkError(f"a stored request is damaged: its order is {quote(order)}")
    parts = {name: _known_part(name, request.get(name, {})) for name in _PARTS}
    return _template().model_copy(update={"order": order, **parts})


@lru_cache(maxsize=1)
def _template() -> RunSpec:
    """A request of which nothing is said."""
    return RunSpec.model_construct()


def _known_part(name: str, values: Any) -> Any:
    """A part of a stored request; thousands of requests that differ have most of theirs in common."""
    try:
        return _part_of_text(name, to_json(values))
    except ValueError:  # half of a character, or a number of thousands of digits
        return _part(name, _PARTS[name], values)


@lru_cache(maxsize=512)
def _part_of_text(name: str, text: bytes) -> Any:
    return _part(name, _PARTS[name], from_json(text))


def _part(name: str, part: type[BaseModel], values: Any) -> Any:
    """A part of a stored request; what a later version put there is passed over."""
    if not isinstance(values, Mapping):
        raise WorkError(f"a stored request is damaged: its {name} is no object")
    try:
        return part.model_validate({key: value for key, value in values.items() if key in part.model_fields})
    except ValidationError as error:
        raise WorkError(f"a stored request is damaged: its {name}.{refusal(error, part)}") from None


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
