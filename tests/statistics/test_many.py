"""Corrections and numbers of repetitions against their definitions and against published tables."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.statistics.many import MOST_NEEDED, holm, least_pairs, pairs_for_power
from engine.statistics.pairs import signed_ranks


def test_holm_multiplies_the_smallest_by_all_and_never_reorders() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12), st.randoms(use_true_random=False))
def test_holm_follows_the_tests_in_any_order_and_lies_between_alone_and_bonferroni(
    p_values: list[float], random: object
) -> None:
    adjusted = holm(p_values)
    assert holm(p_values[::-1]) == adjusted[::-1]
    for alone, raised in zip(p_values, adjusted, strict=True):
        assert alone <= raised <= min(1.0, alone * len(p_values)) + 1e-12 or raised == max(adjusted)


@pytest.mark.parametrize(("tests", "least"), [(1, 6), (3, 7), (6, 8), (28, 11)])
def test_the_fewest_pairs_are_those_with_which_the_exact_test_can_reach_alpha(tests: int, least: int) -> None:
    assert least_pairs(tests) == least
    smallest = [tests * signed_ranks([float(value) for value in range(1, n + 1)]).p for n in (least - 1, least)]
    assert smallest[0] >= 0.05 > smallest[1]


def test_pairs_for_power_are_those_of_tables_divided_by_the_efficiency() -> None:
    # Cohen's d_z of 0.5, α 0.05 on both sides, power 0.8: 34 pairs by Student's test, and so 34 / 0.955 by ranks
    assert pairs_for_power(0.5, 1) == pytest.approx(35, abs=1)
    assert pairs_for_power(5.0, 1) == least_pairs(1) == pairs_for_power(None, 1)
    assert pairs_for_power(0.001, 1) is None and pairs_for_power(0.0, 1) is None


@settings(max_examples=20)
@given(st.floats(0.2, 3), st.integers(1, 30))
def test_more_tests_and_smaller_effects_need_more_pairs(effect: float, tests: int) -> None:
    needed = pairs_for_power(effect, tests) or MOST_NEEDED
    assert (pairs_for_power(effect, tests + 1) or MOST_NEEDED) >= needed
    assert (pairs_for_power(effect / 2, tests) or MOST_NEEDED) >= needed == (pairs_for_power(-effect, tests) or needed)
