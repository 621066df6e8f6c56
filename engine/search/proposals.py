"""Which settings a search tries next: those that would add most to the hypervolume of its front. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.search import model
from engine.search.outcome import Measured, Outcome
from engine.spec.search import space
from engine.spec.search.document import Cost
from engine.spec.search.space import Choice, Dimension, Range
from engine.statistics.fronts import pareto_front
from engine.statistics.hypervolume import hypervolume

if TYPE_CHECKING:
    import numpy as np

    from engine.search.model import Floats

LOSS = 0.1  # of accuracy before training: a network that loses more adds nothing to what is sought
_TOLD = 0.3  # a loss beyond it is told to the model as this much: how bad a bad network is says nothing of good ones
_CANDIDATES = 300  # settings that the model judges, of which one is tried
_CHANGED = 0.75  # of them are a trial of the front with something changed; the others are drawn at random
_OPTIMISM = 0.5  # standard deviations by which a network may be better than the model expects
_MOST_TRIALS = 150  # that the model goes by, the latest
_KEEP = "target.keep"


@dataclass(frozen=True)
class Aim:
    """What a search is for: low `costs`, against an untouched network, within constraints on costs."""

    costs: Sequence[Cost]
    untouched: Measured
    constraints: Mapping[Cost, float]


def propose(
    outcomes: Sequence[Outcome],
    dimensions: Sequence[Dimension],
    fixed: Mapping[str, Any],
    aim: Aim,
    seed: Sequence[int],
) -> dict[str, Any] | None:
    """The settings, as a study names them, that are expected to add most; None where the model sees none that would.

    Candidates are trials of the front with some settings changed, and random ones. A Gaussian process for accuracy and
    one for each cost say what they would come to. `fixed` is the fixed part of the spec, `seed` what numbers are drawn
    from.
    """
    import numpy as np

    outcomes = outcomes[-_MOST_TRIALS:]
    random = np.random.default_rng(list(seed))
    floor = _floor(outcomes, aim)
    feasible = [each for each in outcomes if each.feasible]
    if not feasible:
        return None
    points = [_point(each.accuracy, each.costs, aim, floor) for each in feasible]
    corner = [1.0] * (1 + len(aim.costs))
    best_yet = pareto_front(points)
    parents = [each for each, best in zip(feasible, best_yet, strict=True) if best and each.accuracy > floor]
    candidates = [_candidate(parents, dimensions, random) for _ in range(_CANDIDATES)]
    told = np.array([_place(each.params, dimensions, fixed) for each in outcomes])
    asked = np.array([_place(each, dimensions, fixed) for each in candidates])
    kinds = np.array([isinstance(each, Choice) for each in dimensions])
    between, apart = _apart(told, told, kinds), _apart(asked, told, kinds)
    accuracies = np.array([max(each.accuracy, aim.untouched.accuracy - _TOLD) for each in outcomes])
    mean, spread = model.fit(between, accuracies).predict(apart)
    hoped = mean + _OPTIMISM * spread
    costs = {cost: _costs(outcomes, cost, between, apart) for cost in {*aim.costs, *aim.constraints}}
    able = np.ones(len(hoped), dtype=bool)
    for cost, most in aim.constraints.items():
        able &= costs[cost] <= most
    front = np.array(points)[best_yet]
    expected = [_point(hoped[n], {c: costs[c][n] for c in aim.costs}, aim, floor) for n in range(len(candidates))]
    reached = hypervolume(front, corner)
    gains = [
        0.0 if not able[n] or (front <= point).all(1).any() else hypervolume([*front, point], corner) - reached
        for n, point in enumerate(expected)
    ]
    best = int(np.argmax(gains))
    return candidates[best] if gains[best] > 0 else None


def _floor(outcomes: Sequence[Outcome], aim: Aim) -> float:
    """The accuracy below which a network adds nothing: 0 where hardly any trial is above the usual one."""
    usual = aim.untouched.accuracy - LOSS
    return usual if sum(each.feasible and each.accuracy > usual for each in outcomes) > 1 else 0.0


def _point(accuracy: float, costs: Mapping[str, float], aim: Aim, floor: float) -> tuple[float, ...]:
    """As shares of the box between the untouched network at no cost and the floor at the untouched network's costs."""
    height = aim.untouched.accuracy - floor
    return (aim.untouched.accuracy - accuracy) / height, *(costs[c] / aim.untouched.costs[c] for c in aim.costs)


def _costs(outcomes: Sequence[Outcome], cost: Cost, between: Floats, apart: Floats) -> Floats:
    import numpy as np

    values = np.log([each.costs[cost] for each in outcomes])
    found: Floats = np.exp(model.fit(between, values).predict(apart)[0])
    return found


def _candidate(
    parents: Sequence[Outcome], dimensions: Sequence[Dimension], random: np.random.Generator
) -> dict[str, Any]:
    drawn = {each.name: each.at(random.random()) for each in dimensions}
    if not parents or random.random() > _CHANGED:
        return drawn
    parent = parents[random.integers(len(parents))].params
    width = random.choice([0.03, 0.1, 0.3])
    share = random.choice([1, 2, 4]) / len(dimensions)
    child: dict[str, Any] = {}
    for each in dimensions:
        value = parent[each.name]
        if each.name == _KEEP or random.random() < share:
            value = drawn[each.name] if isinstance(each, Choice) else _step(each, value, width * random.normal())
        child[each.name] = value
    return child


def _step(dimension: Range, value: float, by: float) -> Any:
    return dimension.at(min(max(dimension.share(value) + by, 0.0), 1.0))


def _place(params: Mapping[str, Any], dimensions: Sequence[Dimension], fixed: Mapping[str, Any]) -> list[float]:
    """Where settings are: a share of each range, the number of each choice; the middle where one does nothing."""
    values = {each.name: each.value(params[each.name]) for each in dimensions}
    used = space.effective(fixed, values)
    return [
        (each.labels.index(params[each.name]) if isinstance(each, Choice) else each.share(params[each.name]))
        if each.name in used
        else 0.5
        for each in dimensions
    ]


def _apart(one: Floats, other: Floats, kinds: np.ndarray[Any, Any]) -> Floats:
    """Squared distances (k, m, n) along each setting, a range being 2 long and two choices 1 apart."""
    import numpy as np

    difference = one.T[:, :, None] - other.T[:, None, :]
    found: Floats = np.where(kinds[:, None, None], difference != 0, (2 * difference) ** 2)
    return found
