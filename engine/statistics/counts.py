"""How sure a share of images is, and a difference of two of them on the same ones."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from engine.statistics.intervals import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_CHANCE_CONFIDENCE = 0.95  # that an accuracy is better than guessing


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
