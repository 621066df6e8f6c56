"""Which points nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_FIRST_CUTS = 16  # points by which most of the others are beaten
_SAMPLE = 2048  # of very many points, in which the first of them is sought


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
    rows = _open_rows(values)
    columns = list(np.ascontiguousarray(values[rows].T))
    balance = _balance(columns, len(rows))
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


def _open_rows(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """The rows without a NaN; of very many only those that the most balanced one of a sample does not beat."""
    import numpy as np

    rows = np.arange(len(values))
    sample = values[:: max(1, len(values) // _SAMPLE)]
    sample = sample[~np.isnan(sample).any(axis=1)]
    if len(values) > _SAMPLE and len(sample) and values.shape[1]:
        by = sample[_balance(list(sample.T), len(sample)).argmin()]
        columns = list(values.T)
        is_open = columns[0] < by[0]
        for column, bound in zip(columns[1:], by[1:], strict=True):
            is_open |= column < bound
        same = np.flatnonzero(columns[0] == by[0])
        is_open[same[(values[same] == by).all(axis=1)]] = True
        rows = np.flatnonzero(is_open)
    known: NDArray[np.intp] = rows[~np.isnan(values[rows]).any(axis=1)]
    return known


def _balance(columns: Sequence[NDArray[np.float64]], count: int) -> NDArray[np.float64]:
    """Of each of `count` points how little it has of all objectives together."""
    import numpy as np

    return sum((_balanced(column) for column in columns), np.zeros(count))


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
