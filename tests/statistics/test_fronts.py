"""The Pareto front against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.fronts import pareto, pareto_front

few = st.integers(0, 5).map(float)


def front_by_definition(cost: list[float], value: list[float]) -> list[bool]:
    points = list(zip(cost, value, strict=True))
    return [not any(c <= a and v >= b and (c, v) != (a, b) for c, v in points) for a, b in points]


@given(st.lists(st.tuples(few, few), max_size=40))
def test_front_is_what_the_definition_says_ties_and_copies_included(points: list[tuple[float, float]]) -> None:
    cost, value = [p[0] for p in points], [p[1] for p in points]
    assert pareto(cost, value).tolist() == front_by_definition(cost, value)


def test_a_point_that_was_not_measured_is_never_on_the_front_and_hides_nothing() -> None:
    assert pareto([1, float("nan"), 2], [0.5, 0.9, float("nan")]).tolist() == [True, False, False]


def test_front_of_many_points_equals_a_plain_sweep() -> None:
    rng = np.random.default_rng(0)
    cost, value = rng.random(20_000), rng.random(20_000)
    best, expected = -1.0, set()
    for i in np.argsort(cost):
        if value[i] > best:
            best = value[i]
            expected.add(int(i))
    assert set(np.flatnonzero(pareto(cost, value)).tolist()) == expected


@given(st.lists(st.tuples(few, few, few, few), max_size=40))
def test_front_of_four_objectives_is_what_the_definition_says(points: list[tuple[float, ...]]) -> None:
    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    expected = [not any(beats(other, one) for other in points) for one in points]
    assert pareto_front(np.array(points).reshape(-1, 4)).tolist() == expected


def test_front_of_many_points_in_several_objectives_is_that_in_two() -> None:
    rng = np.random.default_rng(1)
    cost, value = rng.random(20_000).round(3), rng.random(20_000).round(3)
    cost[7] = np.nan
    assert (pareto_front(np.stack([cost, -value], axis=1)) == pareto(cost, value)).all()
    several = pareto_front(np.stack([cost, -value, cost, -value], axis=1))
    assert (several == pareto(cost, value)).all()
    with pytest.raises(ValueError, match=r"shape \(n, k\)"):
        pareto_front(cost)


def test_front_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="one shape"):
        pareto([1, 2], [1])
