"""Friedman's and Nemenyi's tests against the example of Demšar 2006, scikit-posthocs and their own symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from engine.statistics.ranks import cliques, critical_difference, least_problems, rank_test

# Table 6 of Demšar 2006: the AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on fourteen data sets. Where the paper ranks
# what three digits no longer tell apart (voting), a fourth digit has the order.
AUC = (
    (0.763, 0.768, 0.771, 0.798),
    (0.599, 0.591, 0.590, 0.569),
    (0.954, 0.971, 0.968, 0.967),
    (0.628, 0.661, 0.654, 0.657),
    (0.882, 0.888, 0.886, 0.898),
    (0.936, 0.931, 0.916, 0.931),
    (0.661, 0.668, 0.609, 0.685),
    (0.583, 0.583, 0.563, 0.625),
    (0.775, 0.838, 0.866, 0.875),
    (1.000, 1.000, 1.000, 1.000),
    (0.940, 0.962, 0.965, 0.962),
    (0.619, 0.666, 0.614, 0.669),
    (0.972, 0.981, 0.9752, 0.9751),
    (0.957, 0.978, 0.946, 0.970),
)


def test_the_published_example_comes_out_as_published() -> None:
    test = rank_test(AUC, higher_is_better=True)
    assert test.problems == 14
    assert test.ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert test.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=5e-3)
    # The paper leaves ties uncorrected: χ² = 9.28 there, and F = 3.69 of it.
    ties = sum(sum(count**3 - count for count in np.unique(row, return_counts=True)[1]) for row in AUC)
    uncorrected = test.chi2 * (1 - ties / (14 * 4 * (4**2 - 1)))
    assert uncorrected == pytest.approx(9.28, abs=5e-3)
    assert 13 * uncorrected / (14 * 3 - uncorrected) == pytest.approx(3.69, abs=5e-3)
    assert 0.005 < test.p < 0.04
    # At 0.05 no pair of them differs, at 0.10 plain C4.5 differs from both with m.
    assert cliques(test.ranks, test.critical_difference) == [(3, 1, 2, 0)]
    assert cliques(test.ranks, critical_difference(4, 14, 0.10)) == [(3, 1, 2), (2, 0)]


def test_nemenyis_p_is_that_of_scikit_posthocs() -> None:
    from scikit_posthocs import posthoc_nemenyi_friedman

    oracle = posthoc_nemenyi_friedman(np.array(AUC)).to_numpy()
    assert np.array(rank_test(AUC, higher_is_better=True).pairs) == pytest.approx(oracle)


tables = st.integers(2, 6).flatmap(
    lambda methods: st.lists(
        st.lists(st.integers(0, 4).map(float), min_size=max(3, methods), max_size=max(3, methods)),
        min_size=2,
        max_size=6,
    )
)


@settings(max_examples=8, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_neither_the_order_of_problems_nor_the_direction_changes_what_is_found(
    table: list[list[float]], random: object
) -> None:
    values = np.array(table)
    test, turned = rank_test(values, higher_is_better=True), rank_test(values[::-1], higher_is_better=True)
    assert (turned.ranks, turned.p) == (pytest.approx(test.ranks), test.p)
    assert rank_test(-values, higher_is_better=False).ranks == test.ranks
    assert test.ranks == pytest.approx(rankdata(-values, axis=1).mean(axis=0))
    assert sum(test.ranks) == pytest.approx(len(test.ranks) * (len(test.ranks) + 1) / 2)


def test_shuffled_ranks_give_the_exact_p_of_few_problems() -> None:
    # Three methods, always in one order on four problems: 6 of 6⁴ arrangements are as clear.
    test = rank_test([[1, 2, 3]] * 4, higher_is_better=True)
    assert test.p == pytest.approx(6 / 6**4, abs=2e-3)
    assert rank_test([[1, 1, 1]] * 4, higher_is_better=True).p == 1


def test_the_fewest_problems_let_the_best_and_the_worst_differ() -> None:
    for methods in (3, 4, 8):
        least = least_problems(methods)
        assert critical_difference(methods, least) <= methods - 1 < critical_difference(methods, least - 1)


def test_too_few_methods_or_problems_are_refused() -> None:
    for table in ([[1, 2, 3]], [[1, 2], [1, 2]], [1, 2, 3]):
        with pytest.raises(ValueError, match="3 methods on 2 problems"):
            rank_test(table, higher_is_better=True)


def test_cliques_are_as_large_as_they_can_be_and_none_holds_another() -> None:
    assert cliques([1.0, 1.5, 2.4, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert cliques([1.0, 3.0], 1.0) == []
