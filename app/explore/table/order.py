"""In which order the table lists the points, all of them: a page of it alone could not be sorted. Pure functions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.charts.axes import Axis

Places = NDArray[np.intp]
CHEAPEST = "Cheapest first"
_NEWEST, _BEST, _FASTEST, _SMALLEST = "Newest first", "Best first", "Fastest first", "Smallest file first"
ORDERS = (CHEAPEST, _BEST, _FASTEST, _SMALLEST, _NEWEST)


def places(frame: pd.DataFrame, order: str, x: Axis, y: Axis) -> Places:
    """The rows' places in one of `ORDERS`; networks that were not pruned, and what has no such value, come last."""
    column, sign = _keys(x, y)[order]
    values = sign * frame[column].to_numpy(dtype=float)
    found: Places = np.lexsort((values, frame["baseline"].to_numpy()))
    return found


def _keys(x: Axis, y: Axis) -> Mapping[str, tuple[Any, float]]:
    """By which column each order sorts, and whether from its smallest value up (1.0) or from its largest down."""
    return {
        CHEAPEST: (x.column, 1.0),
        _BEST: (y.column, -1.0 if y.better == "high" else 1.0),
        _FASTEST: ("latency", 1.0),
        _SMALLEST: ("bytes", 1.0),
        _NEWEST: ("created", -1.0),
    }
