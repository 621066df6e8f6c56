"""How sure a mean of repetitions is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.statistics.rounding import to_figures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

MIN_FOR_BOOTSTRAP = 5  # values: 126 different resamples
_RESAMPLES, _MOST_AT_ONCE = 9999, 1_000_000  # and values of resamples that are held together


@dataclass(frozen=True)
class Interval:
    """The mean of `n` values and its 95 % interval; `low` and `high` are None when n < 2."""

    mean: float
    low: float | None
    high: float | None
    n: int


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


def half_width(deviation: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> NDArray[np.float64]:
    """Half of the Student-t interval of the mean of `n` independent repetitions with this sample standard deviation.

    Both have one shape, which the result has, too; NaN where n < 2.
    """
    import numpy as np
    from scipy.special import stdtrit  # a third of a second, which most commands do without

    counts = np.where(np.asarray(n) < 2, np.nan, np.asarray(n, dtype=float))
    halves: NDArray[np.float64] = stdtrit(counts - 1, 0.5 + confidence / 2) * deviation / np.sqrt(counts)
    return halves


def bootstrap_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean and bootstrap interval of independent repetitions, shape (n,), without a normal distribution in it.

    Bias-corrected and accelerated (Efron 1987), from resamples that are the same each time, whatever the order or the
    sign of the values. No interval under `MIN_FOR_BOOTSTRAP` values, of which there are too few different resamples.
    """
    import numpy as np
    from scipy.stats import bootstrap

    x = np.sort(np.asarray(values, dtype=float))
    if x.ndim != 1 or x.size == 0:
        raise ValueError("an interval needs a flat list of at least one value")
    mean = float(x.mean())
    if x.size < MIN_FOR_BOOTSTRAP:
        return Interval(mean, None, None, int(x.size))
    rounded = to_figures(x, float(np.abs(x).max()))
    if rounded[0] == rounded[-1]:  # of a spread in the last bit alone resampling makes NaN
        return Interval(mean, mean, mean, int(x.size))
    mirrored = np.sort(-x)
    is_mirrored = tuple(mirrored) < tuple(x)
    sample = mirrored if is_mirrored else x
    resamples = {"n_resamples": _RESAMPLES, "batch": max(1, _MOST_AT_ONCE // x.size), "rng": np.random.default_rng(0)}
    found = bootstrap((sample,), np.mean, confidence_level=confidence, **resamples).confidence_interval
    low, high = (-found.high, -found.low) if is_mirrored else (found.low, found.high)
    return Interval(mean, float(low), float(high), int(x.size))
