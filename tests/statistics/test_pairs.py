"""Paired tests against numbers from tables."""

import pytest

from engine.statistics.pairs import paired_test


def test_a_paired_test_sees_the_differences_alone() -> None:
    # differences 1, 2, 3: t = 2·√3 with 2 degrees of freedom, of which 7.418 % lies beyond on both sides
    test = paired_test([10, 200, 3000], [11, 202, 3003])
    assert (test.difference.mean, test.difference.n) == (2.0, 3)
    assert test.p == pytest.approx(0.0741799, abs=1e-6)
    assert paired_test([1, 2, 3], [2, 3, 4]).p == 0 and paired_test([1, 2, 3], [1, 2, 3]).p == 1


def test_two_pairs_are_too_few_for_a_test() -> None:
    with pytest.raises(ValueError, match="3 or more"):
        paired_test([1, 2], [2, 3])
