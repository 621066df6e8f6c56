"""Paired tests against numbers from tables."""

from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, wilcoxon

from engine.statistics.pairs import cohens_dz, differences, signed_ranks

whole = st.integers(-6, 6).map(float)


@settings(max_examples=50, deadline=None)
@given(st.lists(whole, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_turning_a_pair_round_turns_the_signs_and_leaves_p(changes: list[float], random: Random) -> None:
    one, other = signed_ranks(changes), signed_ranks([-change for change in random.sample(changes, len(changes))])
    assert other.p == pytest.approx(one.p) and other.rank_biserial == pytest.approx(-one.rank_biserial)
    assert (one.n + one.zeros, other.tied, one.exact) == (len(changes), one.tied, True)
    effect, turned = cohens_dz(changes), cohens_dz([-change for change in changes])
    assert (turned is None and effect is None) or turned == pytest.approx(-(effect or 0))


@settings(max_examples=50, deadline=None)
@given(st.lists(whole.filter(bool), min_size=1, max_size=7))
def test_p_is_the_share_of_sign_patterns_that_are_as_extreme(changes: list[float]) -> None:
    ranks = rankdata(np.abs(changes))
    observed = abs(float((ranks * np.sign(changes)).sum()))
    patterns = [abs(float((ranks * signs).sum())) for signs in product((-1, 1), repeat=len(changes))]
    assert signed_ranks(changes).p == pytest.approx(np.mean([each >= observed - 1e-9 for each in patterns]))


def test_many_pairs_are_tested_by_a_normal_distribution_and_it_is_said() -> None:
    distinct = np.arange(1.0, 61.0) * np.where(np.arange(60) % 3, 1, -1)
    test = signed_ranks(distinct)
    assert not test.exact and test.p == pytest.approx(wilcoxon(distinct, method="asymptotic").pvalue)
    fewer = signed_ranks(distinct[:50])
    assert fewer.exact and fewer.p == pytest.approx(wilcoxon(distinct[:50], method="exact").pvalue)
    assert signed_ranks([1.0] * 20).p == 2**-19


def test_without_any_difference_nothing_is_tested() -> None:
    test = signed_ranks([0.0, 0.0])
    assert (test.n, test.zeros, test.p, test.rank_biserial) == (0, 2, 1.0, 0.0)
    assert cohens_dz([0.5, 0.5]) is None and cohens_dz([0.5]) is None


def test_differences_that_are_equal_on_paper_are_ties() -> None:
    changes = differences([0.88, 0.90, 0.5], [0.90, 0.92, 0.5])  # 0.02 twice, but for the last bit
    assert changes[0] == changes[1] and changes[2] == 0
    assert signed_ranks(changes).tied == 2
    with pytest.raises(ValueError, match="same length"):
        differences([1], [1, 2])
