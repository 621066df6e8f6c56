"""The search over ratios by itself: what it finds, in how many looks, and where accuracy is not monotone."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from engine.pipeline.smallest.bisection import FURTHER, first_beyond, last_place, ratio, tries_expected


class Looks:
    """A rule that counts at which places it was looked."""

    def __init__(self, rule: Callable[[int], bool]) -> None:
        self.rule, self.places = rule, set[int]()

    def __call__(self, place: int) -> bool:
        self.places.add(place)
        return self.rule(place)


@pytest.mark.parametrize("last", [0, 1, 5, 15, 16, 17, 31, 40, 100, 150])
def test_the_last_place_is_found_in_few_looks(last: int) -> None:
    looks = Looks(lambda place: place <= last)
    assert last_place(looks) == last
    assert len(looks.places) <= 2 * tries_expected(1)


def test_what_holds_a_little_further_down_is_found_too() -> None:
    assert last_place(lambda place: place <= 20 or place == 20 + 1 + FURTHER) == 20 + 1 + FURTHER
    assert last_place(lambda place: place <= 20 or place in (40, 41)) == 20


def test_one_that_begins_from_a_place_comes_no_less_far() -> None:
    assert last_place(lambda place: place <= 37, start=30, stride=1) == 37
    assert first_beyond(lambda place: place == 32, 30) == 32
    assert first_beyond(lambda place: place == 33, 30) is None


def test_each_place_keeps_less_than_the_one_before_it() -> None:
    ratios = [ratio(place) for place in range(250)]
    assert ratios[0] == 1.0 and all(0 < smaller < larger for larger, smaller in pairwise(ratios))
