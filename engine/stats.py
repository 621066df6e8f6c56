"""Arithmetic over points and samples: what is not beaten, how sure a mean is, what a percentile needs. No torch.

NumPy comes when it is needed: every command imports this room, and most of them compute nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

# The samples that a percentile of latencies needs; the numbers are MLPerf's.
MIN_N_P90 = 64
MIN_N_P99 = 662
MIN_PAIRS = 3  # of repetitions, for a test of their difference
_CHANCE_CONFIDENCE = 0.95  # that an accuracy is better than guessing
_FIRST_CUTS = 16  # points by which most of the others are beaten


@dataclass(frozen=True)
class Interval:
    """The mean of `n` values and its 95 % interval; `low` and `high` are None when n < 2."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class PairedTest:
    """The mean difference of pairs with its interval, and how likely one as large is where there is none (`p`)."""

    difference: Interval
    p: float


def pareto(cost: ArrayLike, value: ArrayLike) -> NDArray[np.bool_]:
    """Which points nothing beats: none has at most their cost and at least their value, and is better in one of both.

    `cost` (lower is better) and `value` (higher is better) have shape (n,), as has the mask. Equal points stand or fall
    together; a point with a NaN is never on the front. Sorts once, O(n log n).
    """
    import numpy as np

    costs, values = np.asarray(cost, dtype=float), np.asarray(value, dtype=float)
    if costs.ndim != 1 or costs.shape != values.shape:
        raise ValueError(f"cost and value need one shape (n,), not {costs.shape} and {values.shape}")
    front = np.zeros(costs.size, dtype=bool)
    finite = np.flatnonzero(~(np.isnan(costs) | np.isnan(values)))
    if finite.size == 0:
        return front
    order = finite[np.lexsort((-values[finite], costs[finite]))]
    c, v = costs[order], values[order]
    best = np.maximum.accumulate(v)
    rises = np.r_[True, v[1:] > best[:-1]]
    cheapest = np.maximum.accumulate(np.where(rises, np.arange(v.size), 0))
    front[order] = (v == best) & (c == c[cheapest])
    return front


def pareto_front(objectives: ArrayLike) -> NDArray[np.bool_]:
    """Which points nothing beats in any number of objectives, shape (n, k), of which lower is better in all.

    As in `pareto` equal points stand or fall together, and a point with a NaN is never on the front. What a few
    balanced points beat goes first, which is nearly all; each that is left is compared with those that came before it
    in the order of the first objective (Kung et al. 1975).
    """
    import numpy as np

    values = np.asarray(objectives, dtype=float)
    if values.ndim != 2:
        raise ValueError(f"objectives need a shape (n, k), not {values.shape}")
    front = np.zeros(len(values), dtype=bool)
    rows = np.flatnonzero(~np.isnan(values).any(axis=1))
    columns = list(np.ascontiguousarray(values[rows].T))
    balance = sum((_balanced(column) for column in columns), np.zeros(len(rows)))
    for _ in range(min(_FIRST_CUTS, len(rows))):
        best = balance.argmin()
        open_rows = _not_beaten(columns, best)
        balance[best] = np.inf
        rows, balance, columns = rows[open_rows], balance[open_rows], [column[open_rows] for column in columns]
    order = np.lexsort(columns[::-1]) if columns else rows
    rows, columns = rows[order], [column[order] for column in columns]
    while rows.size:
        equal = np.logical_and.reduce([column == column[0] for column in columns])
        front[rows[equal]] = True  # what comes first in this order is beaten by nothing
        open_rows = _not_beaten(columns, 0) & ~equal
        rows, columns = rows[open_rows], [column[open_rows] for column in columns]
    return front


def _balanced(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values between 0 and 1, so that no objective outweighs another by its unit."""
    import numpy as np

    finite = column[np.isfinite(column)]
    if not finite.size or finite.min() == finite.max():
        return np.zeros(column.size)
    shares: NDArray[np.float64] = (column.clip(finite.min(), finite.max()) - finite.min()) / np.ptp(finite)
    return shares


def _not_beaten(columns: Sequence[NDArray[np.float64]], by: int | np.intp) -> NDArray[np.bool_]:
    """Which points are better than one of them in some objective, or equal to it."""
    better, equal = columns[0] < columns[0][by], columns[0] == columns[0][by]
    for column in columns[1:]:
        better |= column < column[by]
        equal &= column == column[by]
    open_points: NDArray[np.bool_] = better | equal
    return open_points


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean and Student-t interval of independent repetitions, shape (n,) with n >= 1."""
    import numpy as np

    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size == 0:
        raise ValueError("an interval needs a flat list of at least one value")
    mean = float(x.mean())
    if x.size < 2:
        return Interval(mean, None, None, 1)
    half = float(half_width(x.std(ddof=1), x.size, confidence))
    return Interval(mean, mean - half, mean + half, int(x.size))


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


def half_width(deviation: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> NDArray[np.float64]:
    """Half of the Student-t interval of the mean of `n` independent repetitions with this sample standard deviation.

    Both have one shape, which the result has, too; NaN where n < 2.
    """
    import numpy as np
    from scipy.special import stdtrit  # a third of a second, which most commands do without

    counts = np.where(np.asarray(n) < 2, np.nan, np.asarray(n, dtype=float))
    halves: NDArray[np.float64] = stdtrit(counts - 1, 0.5 + confidence / 2) * deviation / np.sqrt(counts)
    return halves


def paired_loss(lost: int, gained: int, total: int, confidence: float = 0.95) -> Interval:
    """The share of images that is lost between two networks measured on the same `total` ones, and its interval.

    `lost` are those that the first alone has right, `gained` those that the second alone has; all others say nothing
    of a difference, which is why it is surer than two accuracies are (McNemar 1947). The interval is the adjusted one
    of Bonett & Price 2012, which holds for few such images, too.
    """
    if lost < 0 or gained < 0 or not lost + gained <= total or not total:
        raise ValueError(f"{lost} lost and {gained} gained of {total} images is no count of them")
    worse, better = (lost + 1) / (total + 2), (gained + 1) / (total + 2)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(
        (worse + better - (worse - better) ** 2) / (total + 2)
    )
    return Interval((lost - gained) / total, worse - better - half, worse - better + half, total)


def is_near_chance(correct: int, total: int, chance: float, confidence: float = _CHANCE_CONFIDENCE) -> bool:
    """Whether `correct` of `total` may come of guessing that is right with probability `chance`.

    So it is when guessing does as well or better in more than half of what `confidence` leaves: the upper end of the
    two-sided binomial interval. Anything below that is near chance, too.
    """
    from scipy.special import bdtrc

    if not 0 <= correct <= total or not total or not 0 < chance <= 1:
        raise ValueError(f"{correct} of {total} with a chance of {chance} is no count of guesses")
    at_least = 1.0 if correct == 0 else float(bdtrc(correct - 1, total, chance))
    return at_least > (1 - confidence) / 2


def are_near_chance(correct: ArrayLike, total: ArrayLike, chance: ArrayLike) -> NDArray[np.bool_]:
    """The same of many counts, shape (n,); False where they are not known, or not those of anything."""
    import numpy as np
    from scipy.special import bdtrc

    right, images, guess = (np.asarray(values, dtype=float) for values in (correct, total, chance))
    known = (right >= 0) & (right <= images) & (images > 0) & (guess > 0) & (guess <= 1)  # NaN is no count
    near = np.zeros(right.shape, dtype=bool)
    right, images, guess = right[known], images[known], guess[known]
    at_least = np.where(right == 0, 1.0, bdtrc(np.maximum(right - 1, 0), images.astype(np.int64), guess))
    near[known] = at_least > (1 - _CHANCE_CONFIDENCE) / 2
    return near


def share_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a share that `count` of `total` images came to (Wilson 1927); it lies inside 0 to 1."""
    if not 0 <= count <= total or not total:
        raise ValueError(f"{count} of {total} is no share")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, room = count / total, z * z / total
    half = z * ((share * (1 - share) + room / 4) / total) ** 0.5
    low, high = ((share + room / 2 + side * half) / (1 + room) for side in (-1, 1))
    return low if count else 0.0, high if count < total else 1.0  # exactly, where rounding would miss it


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float | None, float | None]:
    """p50, p90 and p99 of at least one sample; None where there are too few to say (64 for a p90, 662 for a p99)."""
    import numpy as np

    n = len(milliseconds)
    p50, p90, p99 = (round(float(p), 4) for p in np.percentile(milliseconds, (50, 90, 99)))
    return p50, p90 if n >= MIN_N_P90 else None, p99 if n >= MIN_N_P99 else None
