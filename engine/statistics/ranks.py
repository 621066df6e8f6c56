"""Several methods on several problems, by their ranks on each (Demšar 2006)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from engine.statistics.rounding import to_figures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

MIN_METHODS, MIN_PROBLEMS = 3, 2  # for a test of ranks
_SHUFFLES = 9999


@dataclass(frozen=True)
class RankTest:
    """Friedman's test over `problems`, and what Nemenyi's makes of it.

    `ranks` are the mean ranks of the methods, 1 the best; `chi2` is corrected for ties; `p` comes of ranks shuffled
    within each problem, as χ² needs more problems than there mostly are. Two methods whose mean ranks are
    `critical_difference` or more apart differ; `pairs[i][j]` is Nemenyi's p.
    """

    ranks: tuple[float, ...]
    problems: int
    chi2: float
    p: float
    critical_difference: float
    pairs: tuple[tuple[float, ...], ...]


def rank_test(values: ArrayLike, *, higher_is_better: bool, alpha: float = 0.05) -> RankTest:
    """The test of figures of shape (problems, methods), at least 2 × 3; equal ones share their mean rank."""
    import numpy as np
    from scipy.stats import rankdata

    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or table.shape[0] < MIN_PROBLEMS or table.shape[1] < MIN_METHODS:
        raise ValueError(f"a test of ranks needs {MIN_METHODS} methods on {MIN_PROBLEMS} problems")
    problems, methods = table.shape
    table = to_figures(table, float(np.abs(table).max()))
    each = rankdata(-table if higher_is_better else table, axis=1)
    ranks = each.mean(axis=0)
    apart = np.abs(ranks[:, None] - ranks[None, :])
    return RankTest(
        tuple(ranks.tolist()),
        problems,
        _chi2(table),
        _shuffled_p(each),
        critical_difference(methods, problems, alpha),
        tuple(map(tuple, _nemenyi(apart, methods, problems).tolist())),
    )


def critical_difference(methods: int, problems: int, alpha: float = 0.05) -> float:
    """How far apart mean ranks must lie to differ (Nemenyi 1963)."""
    return _quantile(methods, alpha) * _error(methods, problems)


def least_problems(methods: int, alpha: float = 0.05) -> int:
    """The fewest problems on which the best method and the worst can be told apart: always first, always last."""
    problems = 1
    while critical_difference(methods, problems, alpha) > methods - 1:
        problems += 1
    return problems


def cliques(ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """The largest sets of methods of which no two lie as far apart as `difference`, best first; places in `ranks`."""
    order = sorted(range(len(ranks)), key=lambda place: (ranks[place], place))
    found: list[tuple[int, ...]] = []
    for start, first in enumerate(order):
        together = tuple(place for place in order[start:] if ranks[place] - ranks[first] < difference)
        if len(together) > 1 and not (found and set(together) <= set(found[-1])):
            found.append(together)
    return found


@cache
def _quantile(methods: int, alpha: float) -> float:
    """Of the range of so many standard normal figures, over √2; it takes a moment to find."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - alpha, methods, math.inf)) / math.sqrt(2)


def _error(methods: int, problems: int) -> float:
    return math.sqrt(methods * (methods + 1) / (6 * problems))


def _nemenyi(apart: NDArray[np.float64], methods: int, problems: int) -> NDArray[np.float64]:
    from scipy.stats import studentized_range

    distances = apart / _error(methods, problems) * math.sqrt(2)
    p: NDArray[np.float64] = studentized_range.sf(distances, methods, math.inf).clip(0, 1)
    return p


def _chi2(table: NDArray[np.float64]) -> float:
    from scipy.stats import friedmanchisquare

    if (table == table[:, :1]).all():
        return 0.0  # no method is ahead anywhere
    return float(friedmanchisquare(*table.T).statistic)


def _shuffled_p(ranks: NDArray[np.float64]) -> float:
    """How often shuffled ranks lie apart as far as these; the sums' spread is χ² but for factors that stay."""
    import numpy as np

    rng, size = np.random.default_rng(0), max(1, 1_000_000 // ranks.size)
    rows = ranks[np.lexsort(ranks.T)]  # the order of the problems says nothing
    observed = np.square(rows.sum(axis=0) - rows.sum() / rows.shape[1]).sum()
    as_far = done = 0
    while done < _SHUFFLES:
        count = min(size, _SHUFFLES - done)
        sums = rng.permuted(np.broadcast_to(np.sort(rows, axis=1), (count, *rows.shape)), axis=2).sum(axis=1)
        spread = np.square(sums - sums.mean(axis=1, keepdims=True)).sum(axis=1)
        as_far += int((spread >= observed * (1 - 1e-9)).sum())
        done += count
    return (1 + as_far) / (1 + _SHUFFLES)
