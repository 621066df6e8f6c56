"""The budget: the two sliders below the chart, and bounds on more costs than the one that is drawn."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from app.charts import axes
from app.explore import address

# In what unit a bound on a cost is said: the unit's words, and how many of the stored unit it is.
_UNITS: dict[str, tuple[str, float]] = {
    "macs": ("M MACs", 1e6),
    "flops": ("M FLOPs", 1e6),
    "params": ("k parameters", 1e3),
    "bytes": ("kB", 1e3),
    "latency": ("ms", 1.0),
    "device_ms": ("ms", 1.0),
    "device_mj": ("mJ", 1.0),
}
_STEPS = 200  # that a slider has at least room for
_GREEN = ":green[{}]"  # a slider's number is in the theme's primary colour else, which is too dark on a dark page


@dataclass(frozen=True)
class Bound:
    """The most that one cost may be, in the stored unit."""

    axis: axes.Axis
    most: float


@dataclass(frozen=True)
class Budget:
    """Bounds in the stored units: on the cost that is drawn, on the quality, and on other costs."""

    at_most: float | None = None
    at_least: float | None = None  # for a loss: at most
    also: tuple[Bound, ...] = ()

    def __bool__(self) -> bool:
        return self.at_most is not None or self.at_least is not None or bool(self.also)

    @property
    def more_costs(self) -> dict[str, float]:
        """The bounds on costs that are not drawn, by column."""
        return {bound.axis.column: bound.most for bound in self.also}


@dataclass(frozen=True)
class Range:
    """Where a slider begins and ends, and how fine it is."""

    low: float
    high: float
    step: float


def show(pruned: pd.DataFrame, x: axes.Axis, y: axes.Axis, others: list[axes.Axis]) -> Budget:
    """Draws the sliders for these rows, which are pruned; the budget is what the address says."""
    unit, factor = _UNITS[x.column]
    most_name, least_name = f"most_{x.key}", f"least_{y.column}"
    costs, qualities = cost_range(pruned[x.column] / factor), quality_range(pruned[y.column] * y.factor, y)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if costs is not None:
            _slider(f"Cost at most, {unit}", costs, most_name, costs.high)
        if qualities is not None:
            low_is_better = y.better == "low"
            label = "Quality at most" if low_is_better else "Quality at least, %"
            _slider(label, qualities, least_name, qualities.high if low_is_better else qualities.low)
        _show_more_costs(others)
    most, least = address.number(most_name), address.number(least_name)
    return Budget(
        at_most=None if most is None else most * factor,
        at_least=None if least is None else least / y.factor,
        also=tuple(
            Bound(axis, bound * _UNITS[axis.column][1])
            for axis in others
            if (bound := address.number(f"most_{axis.key}")) is not None
        ),
    )


def columns(x: axes.Axis, y: axes.Axis) -> list[str]:
    """What of the rows the sliders are made from; a copy of all columns would take longer than they do."""
    return list(dict.fromkeys([x.column, y.column, *(axis.column for axis in _costs(x))]))


def _costs(x: axes.Axis) -> tuple[axes.Axis, ...]:
    """The costs that can be bounded, those on the board of the axis that is drawn among them."""
    return (*axes.X_AXES.values(), *(() if x.board is None else axes.board_axes(x.board)))


def other_costs(rows: pd.DataFrame, x: axes.Axis) -> list[axes.Axis]:
    """The costs that can be bounded besides the one drawn: those that these rows have."""
    return [
        axis
        for axis in _costs(x)
        # A FLOP is half a MAC: a bound on one is a bound on the other.
        if axis.key != x.key and axis.column != "flops" and rows[axis.column].notna().any()
    ]


def cost_range(values: pd.Series) -> Range | None:
    """From nothing to what every row fits in; None where there is nothing to choose."""
    return _from_zero(values)


def quality_range(values: pd.Series, y: axes.Axis) -> Range | None:
    """From what every row reaches to 100 %; for a loss from 0 to what every row keeps below."""
    if y.better == "low":
        return _from_zero(values)
    known = values[np.isfinite(values)]
    if known.empty:
        return None
    low = 5.0 * math.floor(max(0.0, float(known.min())) / 5)
    return Range(low, 100.0, 0.1) if low < 100 else None


def _from_zero(values: pd.Series) -> Range | None:
    known = values[np.isfinite(values)]
    if known.empty or known.max() <= 0:
        return None
    step = _round_step(float(known.max()) / _STEPS)
    return Range(0.0, round(math.ceil(float(known.max()) / step) * step, 9), step)


def _round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is no smaller."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least)


def _slider(label: str, bounds: Range, name: str, unbounded: float) -> None:
    bound = address.number(name)
    is_bounded = bound is not None and bounds.low <= bound <= bounds.high and bound != unbounded
    decimals = max(0, -math.floor(math.log10(bounds.step)))
    address.slider(
        label if is_bounded else f"{label} · any",
        bounds.low,
        bounds.high,
        bounds.step,
        name,
        default=unbounded,
        format=_GREEN.format(f"%.{min(decimals, 6)}f"),
    )


def _show_more_costs(others: list[axes.Axis]) -> None:
    bounded = sum(address.number(f"most_{axis.key}") is not None for axis in others)
    if not others:
        return
    label = f"And at most · {bounded}" if bounded else "And at most"
    with st.popover(label, icon=":material/add:", key="more_costs", help="Bounds on other costs, too."):
        for axis in others:
            address.number_input(f"{axis.label}, {_UNITS[axis.column][0]}", f"most_{axis.key}", placeholder="any")
