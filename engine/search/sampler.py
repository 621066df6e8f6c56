"""The sampler of a search: what good trials have in common, and in turn with that what lies between two of the best.

A tree-structured Parzen estimator puts trials where most good ones are. A front is found by filling its gaps: every
other trial crosses two neighbours on it, with a change now and then, as evolutionary searches do (Deb et al. 2002).
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.search_space import intersection_search_space
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from engine.statistics.fronts import pareto_front

STARTUP = 10  # trials before either goes by what it has seen
_WIDER = 0.25  # so far a number may lie outside of its parents', as a share of their distance
_NUDGE = 0.05  # and beside parents that are alike, as a share of its range
_LEAST = 1e-9  # of a gap: neighbours that are alike are crossed where there are no others

Space = Mapping[str, BaseDistribution]
Range = FloatDistribution | IntDistribution


class FrontSampler(TPESampler):
    """TPE of all settings together; from `STARTUP` trials on every other one fills a gap of the front."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, multivariate=True, n_startup_trials=STARTUP)
        self._draw = random.Random(seed)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Any:
        """Settings for a trial, by name."""
        if trial.number >= STARTUP and trial.number % 2:
            front = front_of(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)), study.directions)
            members = [each for each in front if search_space.keys() <= each.params.keys()]
            if len(members) > 1:
                return cross(members, search_space, self._draw)
        return super().sample_relative(study, trial, search_space)


class TrainingSampler(RandomSampler):
    """Settings of training at random, then those that brought back most of what a network had lost, with changes.

    `names` are these settings, `gain` is the attribute of a trial that says which share it was.
    """

    def __init__(self, seed: int, names: Sequence[str], gain: str) -> None:
        super().__init__(seed)
        self._draw, self._names, self._gain = random.Random(seed), frozenset(names), gain

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The settings of training, once there is a trial to go by."""
        space = intersection_search_space(self._seen(study))
        return {name: distribution for name, distribution in space.items() if name in self._names}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Any:
        """Settings for a trial, by name."""
        if not search_space:
            return {}
        best = max(self._seen(study), key=lambda each: each.user_attrs[self._gain])
        return vary(best.params, best.params, search_space, self._draw)

    def _seen(self, study: Study) -> list[FrozenTrial]:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [each for each in trials if self._gain in each.user_attrs]


@dataclass(frozen=True)
class Member:
    """One of the front: its settings, and its objectives, all of which are to be low."""

    params: Mapping[str, Any]
    losses: tuple[float, ...]


def front_of(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[Member]:
    """The trials that keep every constraint and that no such trial beats, along the first objective."""
    signs = [-1 if direction == StudyDirection.MAXIMIZE else 1 for direction in directions]
    able = [
        Member(trial.params, tuple(sign * value for sign, value in zip(signs, trial.values, strict=True)))
        for trial in trials
        if all(excess <= 0 for excess in trial.constraints.values())
    ]
    if not able:
        return []
    kept = pareto_front([each.losses for each in able])
    front = {each.losses: each for each, is_kept in zip(able, kept, strict=True) if is_kept}
    return [front[losses] for losses in sorted(front)]


def cross(front: Sequence[Member], space: Space, draw: random.Random) -> dict[str, Any]:
    """A value for each setting, from two neighbours of the `front`, of which the farthest apart are drawn most often.

    Each is one of theirs, or a number around those between them, or any other, as `vary` has it.
    """
    pairs = list(pairwise(front))
    one, other = draw.choices(pairs, gaps(front))[0]
    return vary(one.params, other.params, space, draw)


def vary(one: Mapping[str, Any], other: Mapping[str, Any], space: Space, draw: random.Random) -> dict[str, Any]:
    """A value for each setting from two that may be the same, except for one of all in the mean, which is any."""
    return {
        name: _any(distribution, draw)
        if draw.random() < 1 / len(space)
        else _between(distribution, one[name], other[name], draw)
        for name, distribution in space.items()
    }


def gaps(front: Sequence[Member]) -> list[float]:
    """What lies open between each two neighbours: the first objective's step times the mean of the others'.

    Steps are shares of what the front spans.
    """
    spans = [max(column) - min(column) or 1.0 for column in zip(*(each.losses for each in front), strict=True)]
    found = []
    for one, other in pairwise(front):
        steps = [abs(a - b) / span for a, b, span in zip(one.losses, other.losses, spans, strict=True)]
        found.append(max(steps[0] * sum(steps[1:]), _LEAST))
    return found


def _any(distribution: BaseDistribution, draw: random.Random) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return draw.choice(distribution.choices)
    return _number(distribution, draw.random())


def _between(distribution: BaseDistribution, one: Any, other: Any, draw: random.Random) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return draw.choice((one, other))
    low, high = sorted((_share(distribution, one), _share(distribution, other)))
    reach = max(_WIDER * (high - low), _NUDGE)
    return _number(distribution, min(max(draw.uniform(low - reach, high + reach), 0.0), 1.0))


def _share(distribution: BaseDistribution, number: float) -> float:
    """How far along its range a number is."""
    assert isinstance(distribution, Range)
    low, high = distribution.low, distribution.high
    if distribution.log:
        return math.log(number / low) / math.log(high / low)
    return (number - low) / (high - low)


def _number(distribution: BaseDistribution, share: float) -> float | int:
    """The number so far along the range."""
    assert isinstance(distribution, Range)
    low, high = distribution.low, distribution.high
    number = low * (high / low) ** share if distribution.log else low + share * (high - low)
    return round(number) if isinstance(distribution, IntDistribution) else min(max(number, low), high)
