"""Which points nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_FIRST_CUTS = 16  # points at most by which most of the others are beaten
_SAMPLE = 256  # points among which each of them is sought
_WORTHWHILE = 0.05  # share of a sample that one of them beats


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

    As in `pareto` equal points stand or fall together, and a point with a NaN is never on the front. What a few points
    beat goes first, which is nearly all: each of them is the one of a sample that beats most of it. Each that is left
    is compared with those that came before it in the order of the first objective (Kung et al. 1975).
    """
    import numpy as np

    values = np.asarray(objectives, dtype=float)
    if values.ndim != 2:
        raise ValueError(f"objectives need a shape (n, k), not {values.shape}")
    front = np.zeros(len(values), dtype=bool)
    rows, columns = np.arange(len(values)), list(np.ascontiguousarray(values.T))
    for _ in range(_FIRST_CUTS):
        best = _strongest(columns)
        if best is None:
            break
        open_rows = np.flatnonzero(_not_beaten(columns, best))
        rows, columns = rows[open_rows], [column[open_rows] for column in columns]
    known = ~np.isnan(values[rows]).any(axis=1)
    rows, columns = rows[known], [column[known] for column in columns]
    order = np.lexsort(columns[::-1]) if columns else rows
    rows, columns = rows[order], [column[order] for column in columns]
    while rows.size:
        equal = np.logical_and.reduce([column == column[0] for column in columns])
        front[rows[equal]] = True  # what comes first in this order is beaten by nothing
        open_rows = _not_beaten(columns, 0) & ~equal
        rows, columns = rows[open_rows], [column[open_rows] for column in columns]
    return front


def _strongest(columns: Sequence[NDArray[np.float64]]) -> int | None:
    """The place of the point that beats most of a sample; None where that is not worth a look at all points."""
    import numpy as np

    if not columns or len(columns[0]) < _SAMPLE:
        return None
    places = np.linspace(0, len(columns[0]) - 1, _SAMPLE).astype(int)
    sample = np.stack([column[places] for column in columns])
    beats = (sample[:, :, None] < sample[:, None, :]).all(axis=0).sum(axis=1)  # NaN beats nothing
    best = int(beats.argmax())
    return int(places[best]) if beats[best] >= _WORTHWHILE * _SAMPLE else None


def _not_beaten(columns: Sequence[NDArray[np.float64]], by: int) -> NDArray[np.bool_]:
    """Which points are better than one of them in some objective, or equal to it."""
    import numpy as np

    is_open = columns[0] < columns[0][by]
    same = np.flatnonzero(columns[0] == columns[0][by])
    for column in columns[1:]:
        is_open |= column < column[by]
        same = same[column[same] == column[by]]
    is_open[same] = True
    open_points: NDArray[np.bool_] = is_open
    return open_points
