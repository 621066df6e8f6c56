"""What a trial came to, as the study keeps it. No torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from engine.spec.search.document import Cost, Document
from engine.statistics.hypervolume import hypervolume
from engine.units import si

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Measured:
    """A network on validation images: which share of `images` it names right, and what it costs.

    `costs` has MACs, parameters, and where it is predicted the latency in milliseconds.
    """

    accuracy: float
    images: int
    costs: Mapping[Cost, float]
    blocks_removed: Sequence[str] = ()
    notes: Sequence[str] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """A trial with values: its number, its settings by name, and what was measured."""

    number: int
    params: Mapping[str, Any]
    accuracy: float
    costs: Mapping[str, float]
    excess: Mapping[str, float]  # over each constraint, as a share of it; not above 0 where it is kept
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, trial: "FrozenTrial", document: Document) -> Self:
        """Of a complete trial of that document's study."""
        accuracy, *costs = trial.values
        every = {**trial.user_attrs.get("costs", {}), **dict(zip(document.costs, costs, strict=True))}
        return cls(trial.number, trial.params, accuracy, every, trial.constraints, trial.user_attrs)

    @property
    def feasible(self) -> bool:
        """Whether it keeps every constraint."""
        return all(excess <= 0 for excess in self.excess.values())

    def objectives(self, costs: Sequence[Cost]) -> tuple[float, ...]:
        """What is to be low: the share that is wrong, and the costs."""
        return 1 - self.accuracy, *(self.costs[cost] for cost in costs)


def values(measured: Measured, costs: Sequence[Cost]) -> list[float]:
    """The values of a trial in the order of the study's directions: accuracy first."""
    return [measured.accuracy, *(measured.costs[cost] for cost in costs)]


def excess(measured: Measured, constraints: Mapping[Cost, float]) -> dict[Cost, float]:
    """How far each constraint is exceeded, as a share of it."""
    return {cost: measured.costs[cost] / most - 1 for cost, most in constraints.items()}


def volume(outcomes: Iterable[Outcome], untouched: Measured, costs: Sequence[Cost], floor: float) -> float:
    """The hypervolume of feasible outcomes as a share of the box between two corners.

    The one is the untouched network's accuracy at no cost at all; the other, the reference point, is the accuracy
    `floor` at the untouched network's costs. It can pass 1 where a network is better than the untouched one.
    """
    height = untouched.accuracy - floor
    points = [
        ((untouched.accuracy - each.accuracy) / height, *(each.costs[c] / untouched.costs[c] for c in costs))
        for each in outcomes
        if each.feasible
    ]
    return hypervolume(points, [1.0] * (1 + len(costs)))


def attributes(measured: Measured, *, kept: bool) -> dict[str, Any]:
    """What people read of a trial beside its values."""
    in_words = {"macs": "MACs", "params": "parameters", "latency": "latency"}
    return {
        "costs": dict(measured.costs),
        **{
            in_words[cost]: f"{value:.3g} ms" if cost == "latency" else si(value)
            for cost, value in measured.costs.items()
        },
        "accuracy": f"{measured.accuracy:.1%} of {measured.images:,} validation images",
        "blocks removed": ", ".join(measured.blocks_removed) or "none",
        "constraints": "kept" if kept else "not kept",
        "seconds": measured.seconds,
        **({"notes": "; ".join(measured.notes)} if measured.notes else {}),
    }
