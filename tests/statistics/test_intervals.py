"""Intervals of means against numbers from tables."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from scipy.stats import t as student

from engine.statistics.intervals import bootstrap_interval, mean_interval


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


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-50, 50).map(float), min_size=5, max_size=9), st.randoms(use_true_random=False))
def test_a_bootstrap_interval_depends_on_neither_order_nor_sign(values: list[float], random: Random) -> None:
    interval = bootstrap_interval(values)
    shuffled = random.sample(values, len(values))
    assert bootstrap_interval(shuffled) == interval
    turned = bootstrap_interval([-value for value in values])
    assert interval.low is not None and interval.high is not None
    assert interval.low <= interval.mean + 1e-9 and interval.mean - 1e-9 <= interval.high
    if values != sorted(-value for value in values):
        assert (turned.low, turned.high) == (-interval.high, -interval.low)


def test_a_bootstrap_interval_is_what_scipy_gives_for_the_same_resamples() -> None:
    values = np.array([0.1, 0.4, 0.5, 0.7, 2.0, 9.0])
    expected = bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(0), n_resamples=20_000)
    found = bootstrap_interval(values)
    assert found.low == pytest.approx(expected.confidence_interval.low, rel=0.1)
    assert found.high == pytest.approx(expected.confidence_interval.high, rel=0.1)


def test_few_values_have_no_bootstrap_interval_and_equal_ones_have_one_of_no_width() -> None:
    assert bootstrap_interval([1, 2, 3, 4]).low is None
    constant = bootstrap_interval([0.9] * 5)
    assert (constant.low, constant.high) == (constant.mean, constant.mean)
    in_the_last_bit = bootstrap_interval([0.1] * 4 + [math.nextafter(0.1, 1)])
    assert in_the_last_bit.low == in_the_last_bit.high == pytest.approx(0.1)
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_interval([])


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20))
def test_a_t_interval_is_scipys(values: list[float]) -> None:
    interval = mean_interval(values)
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    if error > 1e-6:
        expected = student.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
        assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-6, abs=1e-6)
