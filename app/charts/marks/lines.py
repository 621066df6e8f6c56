"""The lines of the trade-off chart: experiments over their targets, runs over their steps, and the Pareto front."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app import escape, text, theme
from app.charts.curves import Curve, curves, trajectories
from app.charts.marks.canvas import Canvas
from app.charts.marks.points import DIMMED

MOST_FRONTS = 20
BAND, FRONT = "95 % interval over seeds", "Pareto front"
Outline = tuple[tuple[float, ...], tuple[float, ...]]


def add_trajectories(c: Canvas, rows: pd.DataFrame) -> None:
    """One thin trace per criterion through the steps of its runs."""
    steps = trajectories(rows, "at_x", "at_y")
    for criterion in dict.fromkeys(curve.criterion for curve in steps):
        colour = theme.translucent(theme.criterion_colour(criterion), 0.5)
        outlines = [(curve.x, curve.y) for curve in steps if curve.criterion == criterion]
        name = f"{text.criterion_label(criterion)}, steps"
        _add(c, criterion, escape.html(name), outlines, {"line": {"color": colour, "width": 1}})


def add_curves(c: Canvas, rows: pd.DataFrame) -> None:
    """One trace per criterion for its bands and one for its lines: their experiments are parted by gaps.

    Shipped ones are fainter where there are others.
    """
    finals = rows[rows["final"] & ~rows["baseline"]]
    if c.steps_back:
        _add_curves(c, finals[finals["gallery"]], band=0.05, line=DIMMED)
        finals = finals[~finals["gallery"]]
    _add_curves(c, finals, band=0.15, line=0.65)


def _add_curves(c: Canvas, finals: pd.DataFrame, *, band: float, line: float) -> None:
    """The curves with these opacities."""
    targets = curves(finals, "at_x", "at_y")
    for criterion in dict.fromkeys(curve.criterion for curve in targets):
        of_criterion = [curve for curve in targets if curve.criterion == criterion]
        colour = theme.criterion_colour(criterion)
        filled = {"fill": "toself", "fillcolor": theme.translucent(colour, band), "line": {"width": 0}}
        _add(c, criterion, BAND, [_band(curve) for curve in of_criterion], filled)
        drawn = {"line": {"color": theme.translucent(colour, line), "width": 1.6}}
        outlines = [(curve.x, curve.y) for curve in of_criterion]
        _add(c, criterion, escape.html(text.criterion_label(criterion)), outlines, drawn)


def add_front(c: Canvas, rows: pd.DataFrame) -> None:
    """A bold step line for each network that runs began with: what was made of different ones is not compared.

    They are one trace, parted by gaps; of more than `MOST_FRONTS` networks there is none, as they would be one blot.
    """
    best = rows[rows["on_front"]]
    keys, xs, ys = (best[name].to_numpy(float) for name in ("baseline_key", "at_x", "at_y"))
    order = np.lexsort((ys, xs, keys))
    _, of_network, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    order = order[sizes[of_network[order]] > 1]
    if len(sizes) > MOST_FRONTS:
        return
    gaps = np.flatnonzero(np.diff(keys[order])) + 1
    xs, ys = (np.insert(values[order], gaps, np.nan) for values in (xs, ys))
    if len(xs):
        c.add(
            x=xs,
            y=ys,
            mode="lines",
            line={
                "color": theme.translucent(c.ink.line, 0.75),
                "width": 2.6,
                "shape": "hv" if c.x.better == "low" else "vh",  # what is as good costs no less in between
            },
            hoverinfo="skip",
            name=FRONT,
        )


def _add(c: Canvas, criterion: str, name: str, outlines: Sequence[Outline], style: dict[str, Any]) -> None:
    xs, ys = _with_gaps(outlines)
    if len(xs):
        group = {"legendgroup": criterion, "showlegend": False}
        c.add(x=xs, y=ys, mode="lines", hoverinfo="skip", name=name, **group, **style)


def _band(curve: Curve) -> Outline:
    """The outline of a curve's interval, there along its top and back along its bottom; empty without one."""
    if curve.low is None or curve.high is None:
        return (), ()
    return curve.x + curve.x[::-1], curve.high + curve.low[::-1]


def _with_gaps(outlines: Sequence[Outline]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outlines one after the other with a gap between them, which is no number."""
    parted = [((*x, np.nan), (*y, np.nan)) for x, y in outlines if x]
    xs, ys = (
        np.fromiter(chain.from_iterable(ends), float) for ends in (zip(*parted, strict=True) if parted else ((), ()))
    )
    return xs[:-1], ys[:-1]
