"""How two kinds of runs differ that were made under equal conditions, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.statistics.rounding import to_figures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_MOST_EXACT = 50  # pairs of which every pattern of signs is counted


@dataclass(frozen=True)
class SignedRanks:
    """Wilcoxon's signed-rank test of `n` differences that are not zero; `zeros` more are left out, as he did.

    `p` is two-sided, from all patterns of signs where it is `exact`, otherwise from a normal distribution. `tied` of
    the differences are as large as another and share their mean rank. `rank_biserial` is the share of the ranks that
    speaks for a rise less that which speaks for a fall, from -1 to 1 (Kerby 2014).
    """

    n: int
    zeros: int
    tied: int
    p: float
    exact: bool
    rank_biserial: float


def differences(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """second − first, shape (n,), rounded so far that differences which are equal on paper are equal here."""
    import numpy as np

    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.ndim != 1 or one.shape != two.shape or not one.size:
        raise ValueError("differences need two lists of the same length")
    return to_figures(two - one, float(max(np.abs(one).max(), np.abs(two).max())))


def signed_ranks(changes: ArrayLike) -> SignedRanks:
    """Wilcoxon's test of whether differences (n,) lie about 0, given that they are independent and symmetric."""
    import numpy as np
    from scipy.stats import rankdata, wilcoxon

    every = np.asarray(changes, dtype=float)
    moved = every[every != 0]
    n, zeros = int(moved.size), int(every.size - moved.size)
    if n == 0:
        return SignedRanks(0, zeros, 0, 1.0, True, 0.0)
    ranks = rankdata(np.abs(moved))
    _, counts = np.unique(np.abs(moved), return_counts=True)
    tied = int(counts[counts > 1].sum())
    exact = n <= _MOST_EXACT
    p = _exact_p(ranks, moved > 0) if exact else float(wilcoxon(moved, method="asymptotic").pvalue)
    balance = float((ranks * np.sign(moved)).sum() / ranks.sum())
    return SignedRanks(n, zeros, tied, p, exact, balance)


def _exact_p(ranks: NDArray[np.float64], rises: NDArray[np.bool_]) -> float:
    """The share of the 2ⁿ patterns of signs in which the ranks of rises sum up to as little or as much as here.

    SciPy's exact distribution has no ties, and its permutations take a second for a dozen pairs.
    """
    import numpy as np

    doubled = np.rint(2 * ranks).astype(int)  # tied ones lie between whole numbers
    total = int(doubled.sum())
    patterns = np.zeros(total + 1)  # by the sum of the ranks of rises
    patterns[0] = 1
    for rank in doubled:
        patterns[rank:] += patterns[:-rank].copy()
    here = int(doubled[rises].sum())
    tail = float(patterns[: min(here, total - here) + 1].sum())
    return min(1.0, 2 * tail / float(patterns.sum()))


def cohens_dz(changes: ArrayLike) -> float | None:
    """The mean of differences (n,) in units of their standard deviation (Cohen 1988); None where they do not vary."""
    import numpy as np

    every = np.asarray(changes, dtype=float)
    deviation = float(every.std(ddof=1)) if every.size > 1 else 0.0
    return float(every.mean()) / deviation if deviation > 0 else None
