"""Where on a grid of ratios an accuracy is lost: strides, bisection, and a look further down. No torch.

Place 0 is the untouched network, and each further place keeps 3 % less than the one before it: bisection in log space.
"""

from collections.abc import Callable

APART = 0.97  # of one ratio to the one before it
FIRST = 16  # places: the first try keeps 0.61
FURTHER = 2  # places below the one that is lost

Holds = Callable[[int], bool]  # whether the network of a place keeps the accuracy; those out of reach do not


def ratio(place: int) -> float:
    """The share of the cost that is kept at a place."""
    return float(f"{APART**place:.3g}")


def tries_expected(candidates: int) -> int:
    """About how many places are looked at: until one candidate's is found, and by others whether they come further."""
    return 6 + FURTHER + FURTHER * (candidates - 1)


def last_place(holds: Holds, start: int = 0, stride: int = FIRST) -> int:
    """The furthest place that holds as far as was looked, from `start` on, which holds.

    Strides double until a place does not hold, bisection finds where it begins; as accuracy is not monotone in the
    ratio, the next places are tried, too, and where one holds it all starts again from there.
    """
    good = start
    while holds(good + stride):
        good, stride = good + stride, 2 * stride
    bad = good + stride
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    further = first_beyond(holds, bad)
    return good if further is None else last_place(holds, further, 1)


def first_beyond(holds: Holds, start: int) -> int | None:
    """The first of the next places after `start` that holds, if one does."""
    return next((place for place in range(start + 1, start + 1 + FURTHER) if holds(place)), None)
