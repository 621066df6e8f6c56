"""What the marks of the trade-off chart share: the figure, its axes, and where points lie on them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app import theme
from app.charts.axes import Axis
from app.charts.drawing import Drawing
from app.charts.marks import hover
from app.tables import selection

SVG_POINTS = 1000  # more are drawn by the graphics card
_COLUMNS = """
    id run_id baseline_key group seed gallery baseline final int8 at_chance stage phase keep step trajectory
    criterion order depth_method width_method model data data_label limit image_size labels normalize weights
    train_epochs top1 macs base_top1 base_val_top1 base_params base_macs
"""
# A click is answered by the ring around the selected point; no point is to fade or to grow for it.
_SAME_WHEN_SELECTED = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}


@dataclass(frozen=True)
class Marks:
    """What the trade-off chart points out besides the points themselves; ids are values of the `id` column.

    `hidden` are the criteria that the user has switched off in the legend: they keep their entries there, and nothing
    else of them is drawn. The front is of what is shown (`shown`).
    """

    front: frozenset[str] = frozenset()
    best: str | None = None
    at_most: float | None = None  # a budget on x, in the axis's unit
    at_least: float | None = None  # a floor (or, for a loss, a ceiling) on y, in the axis's unit
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Dots:
    """Points as a trace has them: each one's id, by which a click finds it, its text under the pointer, its place."""

    ids: NDArray[np.object_]
    texts: NDArray[np.object_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Dots":
        """Those of placed rows with their texts."""
        words = (rows[name].to_numpy(object) for name in ("id", "hover"))
        return cls(*words, *(rows[name].to_numpy(float) for name in ("at_x", "at_y")))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, places: NDArray[Any]) -> "Dots":
        return Dots(self.ids[places], self.texts[places], self.x[places], self.y[places])


@dataclass(frozen=True)
class Canvas:
    """The figure that marks are added to, and what they look at."""

    fig: Drawing
    x: Axis
    y: Axis
    ink: theme.Ink
    marks: Marks
    log: tuple[bool, bool] = (False, False)  # of x and y
    steps_back: bool = False  # the shipped runs, as there are others

    def add_dots(self, dots: Dots, **properties: object) -> None:
        """Adds points as one trace: a few are drawn as pictures, many by the graphics card."""
        kind = "scattergl" if len(dots) > SVG_POINTS else "scatter"
        shared = {"mode": "markers", "showlegend": False, **_SAME_WHEN_SELECTED}
        shared |= {"customdata": dots.ids, "hovertext": dots.texts, "hovertemplate": hover.TEMPLATE}
        self.add(type=kind, x=dots.x, y=dots.y, **{**shared, **properties})

    def add(self, **trace: object) -> None:
        """Adds a trace, of the type scatter where none is named."""
        self.fig.add_traces([trace])

    def add_line(self, *, x: float | None = None, y: float | None = None, **properties: object) -> None:
        """Adds a line across the whole chart at a value of one axis."""
        ends = {"x0": 0, "x1": 1, "xref": "x domain", "y0": y, "y1": y, "yref": "y"}
        if x is not None:
            ends = {"x0": x, "x1": x, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain"}
        self.fig.add_shape(type="line", **ends, **properties)


def shown(points: pd.DataFrame, hidden: frozenset[str]) -> pd.DataFrame:
    """The points without those of criteria that are switched off in the legend; baselines always stay."""
    return points[points["baseline"] | ~points["criterion"].isin(hidden)] if hidden else points


def place(points: pd.DataFrame, x: Axis, y: Axis) -> pd.DataFrame:
    """The points that have a place on both axes, with it as `at_x` and `at_y`, in the axes' units.

    Of the other columns only those that the chart looks at: a copy of all would take longer than the chart.
    """
    of_axes = [f"{base}{axis.column}" for axis in (x, y) for base in ("", "base_")]
    points = selection.with_baseline_key(points)
    rows = points[list(dict.fromkeys([*_COLUMNS.split(), *of_axes]))]
    return selection.known(rows.assign(at_x=x.values(rows), at_y=y.values(rows)), ["at_x", "at_y"])


def positions(points: pd.DataFrame, ids: Collection[str], x: Axis, y: Axis) -> list[tuple[float, float]]:
    """Where the points of these ids lie in the chart, in the axes' units; without those that are not drawn."""
    rows = place(points[points["id"].isin(ids)], x, y)
    return list(zip(rows["at_x"].astype(float).tolist(), rows["at_y"].astype(float).tolist(), strict=True))
