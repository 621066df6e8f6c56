"""Which of very many points are drawn: of those that lie on one another one. Pure functions."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Cells of the coarsest grid along x and y, as wide and high as a point: two in one of them are one spot.
_CELLS = (80, 40)
MOST = (_CELLS[0] + 1) * (_CELLS[1] + 1)  # points that are drawn
_FINER = (4.0, 2.0, 1.4, 1.0)  # grids that are tried, as many times as fine as the coarsest


def thin(rows: pd.DataFrame, preferred: NDArray[np.bool_], *, log: tuple[bool, bool]) -> pd.DataFrame:
    """Of placed rows at most `MOST`: one in each cell of the finest grid that leaves so few, a `preferred` one first.

    `log` says of x and y whether they are drawn on a logarithmic axis.
    """
    if len(rows) <= MOST:
        return rows
    x, y = (_shares(rows[at].to_numpy(float), is_log) for at, is_log in zip(("at_x", "at_y"), log, strict=True))
    order = np.argsort(~preferred, kind="stable")
    for finer in _FINER:
        along_x, along_y = (np.floor(each * cells * finer) for each, cells in zip((x, y), _CELLS, strict=True))
        _, first = np.unique((along_x * (2 + _CELLS[1] * finer) + along_y)[order], return_index=True)
        if len(first) <= MOST:
            break
    return rows.iloc[np.sort(order[first])]


def _shares(values: NDArray[np.float64], is_log: bool) -> NDArray[np.float64]:
    """Where values lie between the least, 0, and the largest, 1; at 0 those that a logarithmic axis has not."""
    if is_log:
        known = values > 0
        values = np.log10(values, where=known, out=np.full(len(values), np.nan))
    low, high = np.nanmin(values), np.nanmax(values)
    shares: NDArray[np.float64] = np.nan_to_num((values - low) / ((high - low) or 1.0))
    return shares
