"""The record of what was removed, as steps that replay on the baseline to the same network."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from torch import nn

from engine.errors import RequestError
from engine.graph.channel_ids import Trace
from engine.graph.plain import make_plain
from engine.graph.summarize import Structure, summarize
from engine.spec.messages import LONGEST_NAME, as_text, check_name, check_whole, quote
from engine.surgery.cut import drop_channels, remove_blocks

PLAN_VERSION = 1
MOST_STEPS = 2_000
MOST_SIDE = 65_536  # px, or channels of an image
MOST_OUTPUTS = 10_000_000  # channels of a layer


@dataclass(frozen=True)
class Step:
    """One cut: blocks that go, or for each layer the output channels that go (numbered as they were before it)."""

    blocks: tuple[str, ...] = ()
    channels: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def removes_something(self) -> bool:
        return bool(self.blocks or self.channels)

    def to_json(self) -> dict[str, Any]:
        if self.blocks:
            return {"remove_blocks": list(self.blocks)}
        return {"drop_channels": {layer: list(numbers) for layer, numbers in self.channels}}


@dataclass(frozen=True)
class Plan:
    """Which catalogue model was cut, and how, in order."""

    model: str
    classes: int
    image: tuple[int, int, int]
    steps: tuple[Step, ...] = ()

    def then(self, step: Step) -> "Plan":
        return Plan(self.model, self.classes, self.image, (*self.steps, step))

    def to_json(self) -> dict[str, Any]:
        return {
            "plan_version": PLAN_VERSION,
            "model": self.model,
            "classes": self.classes,
            "image": list(self.image),
            "steps": [step.to_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, raw: Any) -> Self:
        """The plan in `raw`; RequestError when it is not one. Whether its model is known is the reader's to ask."""
        try:
            if raw["plan_version"] != PLAN_VERSION:
                raise RequestError(f"plan_version is {quote(raw['plan_version'])}; this version reads {PLAN_VERSION}")
            channels, height, width = (check_whole(side, 1, MOST_SIDE) for side in raw["image"])
            steps = _list(raw["steps"])
            if len(steps) > MOST_STEPS:
                raise RequestError(f"the plan has {len(steps):,} steps; at most {MOST_STEPS:,} are taken")
            return cls(
                check_name(raw["model"]),
                check_whole(raw["classes"], 1, MOST_OUTPUTS),
                (channels, height, width),
                tuple(map(_step, steps)),
            )
        except KeyError as error:
            raise RequestError(f"the plan is not one this program wrote (it lacks {quote(error.args[0])})") from None
        except (TypeError, ValueError, AttributeError) as error:
            reason = as_text(error)[:LONGEST_NAME]
            raise RequestError(f"the plan is not one this program wrote ({type(error).__name__}: {reason})") from None


def replay(plan: Plan, module: nn.Module) -> nn.Module:
    """Apply the plan to the baseline `module` in place and return it; its weights become plain ones."""
    make_plain(module)
    for step in filter(Step.removes_something, plan.steps):
        apply(step, module, summarize(module, plan.image, plan.model))
    return module


def apply(step: Step, module: nn.Module, structure: Structure) -> None:
    """Cut `module`, whose structure is given, in place; RequestError for a step that does not fit it."""
    if step.blocks:
        modules = {block.name: block.modules for block in structure.summary.blocks if block.removable}
        unknown = [name for name in step.blocks if name not in modules]
        if unknown:
            raise RequestError(f"the plan removes {unknown[0]}, which is not a removable block of this model")
        remove_blocks(module, [m for name in step.blocks for m in modules[name]])
    else:
        drop_channels(module, structure.trace, dropped_identities(step, structure.trace))


def channel_step(trace: Trace, dropped: frozenset[int]) -> Step:
    """The step that drops these identities, layer by layer."""
    ids = np.array(sorted(dropped), dtype=np.int64)
    numbers = {layer.name: np.flatnonzero(np.isin(layer.outs, ids, kind="table")) for layer in trace.layers.values()}
    return Step(channels=tuple((name, tuple(n.tolist())) for name, n in numbers.items() if len(n)))


def dropped_identities(step: Step, trace: Trace) -> frozenset[int]:
    """The identities that a channel step drops; RequestError when it does not fit the model."""
    dropped: set[int] = set()
    for name, numbers in step.channels:
        layer = trace.layers.get(name)
        if layer is None:
            raise RequestError(f"the plan drops channels of {name}, which this model does not have")
        if not all(0 <= n < len(layer.outs) for n in numbers):
            raise RequestError(f"the plan drops a channel that {name} does not have ({len(layer.outs)} channels)")
        dropped |= {int(layer.outs[n]) for n in numbers}
    if dropped & trace.frozen or channel_step(trace, frozenset(dropped)) != step:
        raise RequestError("the plan does not fit this model: it drops some but not all of a set of tied channels")
    for layer in trace.layers.values():
        if dropped.issuperset(layer.outs.tolist()):
            raise RequestError(f"the plan leaves {layer.name} without a channel; every layer keeps at least one")
    return frozenset(dropped)


def _step(raw: Mapping[str, Any]) -> Step:
    if set(raw) == {"remove_blocks"}:
        return Step(blocks=tuple(map(check_name, _list(raw["remove_blocks"]))))
    if set(raw) == {"drop_channels"}:
        return Step(channels=tuple((check_name(name), _numbers(drop)) for name, drop in raw["drop_channels"].items()))
    names = ", ".join(map(quote, list(raw)[:3])) or "nothing"
    raise RequestError(f"a plan's step is remove_blocks or drop_channels, not {names}")


def _numbers(raw: Any) -> tuple[int, ...]:
    """Channel numbers, which ascend."""
    numbers = tuple(check_whole(number, 0, MOST_OUTPUTS) for number in _list(raw))
    if any(one >= next_one for one, next_one in pairwise(numbers)):
        raise ValueError("channel numbers must ascend")
    return numbers


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{quote(value)} is no list")
    return value
