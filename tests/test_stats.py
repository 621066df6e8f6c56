"""The Pareto front against its definition, and intervals against numbers from tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.stats import (
    are_near_chance,
    is_near_chance,
    mean_interval,
    paired_loss,
    paired_test,
    pareto,
    pareto_front,
)

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


def test_what_is_near_chance_is_the_same_of_one_count_and_of_many() -> None:
    counts = [(c, t, p) for c in (0, 9, 10, 14, 15, 30, 100) for t in (100, 1000) for p in (0.1, 0.5, 1.0)]
    one_by_one = [is_near_chance(*count) for count in counts]
    assert are_near_chance(*np.array(counts, dtype=float).T).tolist() == one_by_one
    unknown = ([np.nan, 5, 5, 11, -1], [10, np.nan, 0, 10, 10], [0.1, 0.1, 0.1, 0.1, np.nan])
    assert not are_near_chance(*unknown).any()


def test_front_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="one shape"):
        pareto([1, 2], [1])


def test_interval_uses_student_t_and_not_the_normal_distribution() -> None:
    # t(0.975, 2) = 4.302653; the deviation of 1, 2, 3 is 1
    interval = mean_interval([1, 2, 3])
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.high == pytest.approx(2 + 4.302653 / np.sqrt(3), abs=1e-6)
    assert interval.low == pytest.approx(2 - 4.302653 / np.sqrt(3), abs=1e-6)


def test_a_paired_test_sees_the_differences_alone() -> None:
    # differences 1, 2, 3: t = 2·√3 with 2 degrees of freedom, of which 7.418 % lies beyond on both sides
    test = paired_test([10, 200, 3000], [11, 202, 3003])
    assert (test.difference.mean, test.difference.n) == (2.0, 3)
    assert test.p == pytest.approx(0.0741799, abs=1e-6)
    assert paired_test([1, 2, 3], [2, 3, 4]).p == 0 and paired_test([1, 2, 3], [1, 2, 3]).p == 1


def test_two_pairs_are_too_few_for_a_test() -> None:
    with pytest.raises(ValueError, match="3 or more"):
        paired_test([1, 2], [2, 3])


def test_one_value_has_a_mean_and_no_interval() -> None:
    interval = mean_interval([0.9])
    assert (interval.mean, interval.low, interval.high, interval.n) == (0.9, None, None, 1)


def test_no_value_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


@pytest.mark.parametrize(
    ("correct", "total", "chance", "near"),
    [
        (10, 100, 0.1, True),
        (0, 100, 0.1, True),
        (15, 100, 0.1, True),  # P(X ≥ 15) = 0.073
        (17, 100, 0.1, False),  # P(X ≥ 17) = 0.021
        (300, 300, 1.0, True),
        (130, 1000, 0.1, False),
        (115, 1000, 0.1, True),
    ],
)
def test_near_chance_is_what_guessing_reaches_often_enough(correct: int, total: int, chance: float, near: bool) -> None:
    assert is_near_chance(correct, total, chance) is near


@pytest.mark.parametrize(("correct", "total", "chance"), [(1, 0, 0.5), (3, 2, 0.5), (-1, 2, 0.5), (1, 2, 0.0)])
def test_what_is_no_count_of_guesses_is_refused(correct: int, total: int, chance: float) -> None:
    with pytest.raises(ValueError, match="no count of guesses"):
        is_near_chance(correct, total, chance)


def test_a_loss_on_the_same_images_is_surer_than_two_accuracies_are() -> None:
    loss = paired_loss(lost=30, gained=10, total=1000)
    assert (loss.mean, loss.n) == (0.02, 1000) and loss.low is not None and loss.high is not None
    # By hand: (31 - 11) / 1002 -+ 1.96 sqrt((31 + 11 - 20 * 20 / 1002) / 1002 / 1002)
    assert (loss.low, loss.high) == (pytest.approx(0.00734, abs=1e-5), pytest.approx(0.03258, abs=1e-5))
    alone = 2 * 1.96 * (0.9 * 0.1 / 1000) ** 0.5  # as wide as one accuracy of nine in ten is unsure
    assert loss.high - loss.low < alone


@given(st.integers(0, 50), st.integers(0, 50), st.integers(100, 10_000))
def test_the_interval_of_a_loss_turns_with_it(lost: int, gained: int, total: int) -> None:
    one, other = paired_loss(lost, gained, total), paired_loss(gained, lost, total)
    assert one.low is not None and other.high is not None and one.high is not None
    assert one.low < one.high and one.low == pytest.approx(-other.high) and one.mean == -other.mean


@pytest.mark.parametrize(("lost", "gained", "total"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_counts_that_no_images_give_are_refused(lost: int, gained: int, total: int) -> None:
    with pytest.raises(ValueError, match="is no count"):
        paired_loss(lost, gained, total)
