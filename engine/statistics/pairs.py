"""How two kinds of runs differ that were made under equal conditions, pair by pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.statistics.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MIN_PAIRS = 3  # of repetitions, for a test of their difference


@dataclass(frozen=True)
class PairedTest:
    """The mean difference of pairs with its interval, and how likely one as large is where there is none (`p`)."""

    difference: Interval
    p: float


def paired_test(first: ArrayLike, second: ArrayLike) -> PairedTest:
    """Student's test of the differences second − first of at least `MIN_PAIRS` pairs, such as runs of equal seeds.

    What a seed does to both, as the baseline that both begin with, says nothing of their difference and falls out.
    """
    import numpy as np
    from scipy.special import stdtr

    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.ndim != 1 or one.shape != two.shape or one.size < MIN_PAIRS:
        raise ValueError(f"a paired test needs two lists of the same {MIN_PAIRS} or more repetitions")
    differences = two - one
    interval = mean_interval(differences)
    error = float(differences.std(ddof=1)) / math.sqrt(one.size)
    if error == 0:
        return PairedTest(interval, 1.0 if interval.mean == 0 else 0.0)
    return PairedTest(interval, 2 * float(stdtr(one.size - 1, -abs(interval.mean) / error)))
