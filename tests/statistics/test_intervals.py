"""Intervals of means against numbers from tables."""

import numpy as np
import pytest

from engine.statistics.intervals import mean_interval


def test_interval_uses_student_t_and_not_the_normal_distribution() -> None:
    # t(0.975, 2) = 4.302653; the deviation of 1, 2, 3 is 1
    interval = mean_interval([1, 2, 3])
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.high == pytest.approx(2 + 4.302653 / np.sqrt(3), abs=1e-6)
    assert interval.low == pytest.approx(2 - 4.302653 / np.sqrt(3), abs=1e-6)


def test_one_value_has_a_mean_and_no_interval() -> None:
    interval = mean_interval([0.9])
    assert (interval.mean, interval.low, interval.high, interval.n) == (0.9, None, None, 1)


def test_no_value_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])
