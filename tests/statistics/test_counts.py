"""Intervals of shares and of their differences against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics.counts import are_near_chance, is_near_chance, paired_loss


def test_what_is_near_chance_is_the_same_of_one_count_and_of_many() -> None:
    counts = [(c, t, p) for c in (0, 9, 10, 14, 15, 30, 100) for t in (100, 1000) for p in (0.1, 0.5, 1.0)]
    one_by_one = [is_near_chance(*count) for count in counts]
    assert are_near_chance(*np.array(counts, dtype=float).T).tolist() == one_by_one
    unknown = ([np.nan, 5, 5, 11, -1], [10, np.nan, 0, 10, 10], [0.1, 0.1, 0.1, 0.1, np.nan])
    assert not are_near_chance(*unknown).any()


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
