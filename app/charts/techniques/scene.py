"""What the charts of all techniques share: their axes with one range, the front, and the untouched network."""

import math
from dataclasses import dataclass

import pandas as pd

from app import theme
from app.charts.axes import Axis

Span = tuple[float, float]
_ROOM = 0.06  # of a range, beside its outermost marks


@dataclass(frozen=True)
class Untouched:
    """The network before pruning, mean over its seeds, on the axes of the chart; `hover` is its text."""

    x: float
    y: float
    hover: str


@dataclass(frozen=True)
class Scene:
    """Both axes, their ranges in their units, and what stands in every chart. `front` has its points from left on."""

    x: Axis
    y: Axis
    ink: theme.Ink
    log: tuple[bool, bool]  # of x and y
    span_x: Span
    span_y: Span
    front: tuple[tuple[float, float], ...]
    untouched: Untouched | None


def scene(
    means: pd.DataFrame,
    x: Axis,
    y: Axis,
    *,
    ink: theme.Ink,
    log: tuple[bool, bool] = (False, False),
    untouched: Untouched | None = None,
) -> Scene:
    """The scene of `means` with `on_front`; on a logarithmic axis what lies at 0 or below has no place."""
    best = means[means["on_front"]].sort_values(["at_x", "at_y"])
    half = means["half_width"].fillna(0.0)
    xs, ys = means["at_x"].tolist(), [*(means["at_y"] - half), *(means["at_y"] + half)]
    if untouched is not None:
        xs, ys = [*xs, untouched.x], [*ys, untouched.y]
    return Scene(
        x,
        y,
        ink,
        log,
        _span(xs, log=log[0], from_zero=x.of is None),
        _span(ys, log=log[1]),
        tuple(zip(best["at_x"].astype(float).tolist(), best["at_y"].astype(float).tolist(), strict=True)),
        untouched,
    )


def _span(values: list[float], *, log: bool, from_zero: bool = False) -> Span:
    """From the least to the largest value with some room, in the axis's unit."""
    if log:
        low, high = _span([math.log10(value) for value in values if value > 0] or [0.0, 1.0], log=False)
        return 10**low, 10**high
    low, high = (0.0 if from_zero else min(values)), max(values)
    room = _ROOM * ((high - low) or 1.0)
    return low - (0.0 if from_zero else room), high + room
