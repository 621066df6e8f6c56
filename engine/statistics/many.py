"""What it takes to say so where many pairs are tested at once: corrections, and how many repetitions are needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_NEEDED = 1000  # repetitions; who would need more will not run them
_POWER = 0.8
_EFFICIENCY = 3 / math.pi  # of Wilcoxon's test against Student's, where differences are normal (Pitman)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values of several tests, each raised so far that a false one among all stays as rare as alone (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def least_pairs(tests: int, alpha: float = 0.05) -> int:
    """The fewest pairs with which one of `tests` signed-rank tests can come out below `alpha` after `holm`.

    All differences have one sign then, and of the 2ⁿ patterns of signs two are as extreme: p = 2/2ⁿ.
    """
    n = 1
    while max(1, tests) * 2.0 ** (1 - n) >= alpha:
        n += 1
    return n


def pairs_for_power(effect: float | None, tests: int, alpha: float = 0.05) -> int | None:
    """About how many pairs find a difference of that `cohens_dz` in four of five cases; None for over `MOST_NEEDED`.

    Student's test with α shared out among all tests, its number divided by what Wilcoxon's gives away. An effect of
    None is one without spread, which the fewest pairs show.
    """
    fewest = least_pairs(tests, alpha)
    if effect is None:
        return fewest
    return next((n for n in range(fewest, MOST_NEEDED + 1) if _power(n * _EFFICIENCY, abs(effect), tests, alpha)), None)


def _power(pairs: float, effect: float, tests: int, alpha: float) -> bool:
    """Whether Student's test has the power with so many pairs."""
    from scipy.special import nctdtr, stdtrit

    critical = float(stdtrit(pairs - 1, 1 - alpha / max(1, tests) / 2))
    return 1 - float(nctdtr(pairs - 1, effect * math.sqrt(pairs), critical)) >= _POWER
