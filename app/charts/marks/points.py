"""The points of the trade-off chart, rings around some of them, and the budget's lines."""

from typing import Any

import numpy as np
import pandas as pd

from app import escape, text, theme
from app.charts.marks.canvas import Canvas
from engine.storage.records.remarks import NEAR_CHANCE

FADED = 0.45  # opacity of a point that another one beats on both axes
DIMMED = 0.22  # and of what is shipped, where there are others
RING = "ring"  # the `meta` of the trace around the selected point, which the page moves without drawing anew
_SIZE, _STEP_SIZE = 10, 6  # px, of a point that ends something and of one on the way


def add_points(c: Canvas, rows: pd.DataFrame) -> None:
    """Pruned networks: a trace for each look, which is criterion, order, stage, whether it is one on the way and whose.

    Shipped ones lie below the others, which step forward.
    """
    ends_nothing = rows["trajectory"].notna() & ~rows["final"]
    rows = rows.sort_values("gallery", ascending=False, kind="stable") if c.steps_back else rows
    looks = [rows["criterion"], rows["order"], _symbols(rows), ends_nothing, rows["gallery"]]
    for (criterion, order, symbol, step, shipped), group in rows.groupby(looks, sort=False, observed=True):
        size, hollow = _STEP_SIZE if step else _SIZE, "open" in str(symbol)
        dimmed = c.steps_back and shipped
        colours = _dimmed(str(criterion)) if dimmed else _colours(c, group, str(criterion), hollow=hollow)
        c.add_dots(
            group,
            marker={"symbol": symbol, "size": size} | colours,
            legendgroup=criterion,
            name=escape.html(f"{text.criterion_label(str(criterion))}, {text.order_label(str(order))}"),
        )


def add_points_at_chance(c: Canvas, rows: pd.DataFrame) -> None:
    """What guessing may have given, baselines among it: in red, so that nobody takes it for a network that works."""
    if not rows.empty:
        c.add_dots(
            rows,
            marker={"symbol": theme.CHANCE_SYMBOL, "size": _SIZE, "color": theme.ALARM, "line": {"width": 1.8}},
            name=NEAR_CHANCE,
        )


def add_rings(c: Canvas, rows: pd.DataFrame) -> None:
    """A star around the best point within the budget, and a ring, nowhere as yet, that the page puts around a point."""
    best = rows[rows["id"] == c.marks.best]
    if not best.empty:
        _add_ring(c, theme.BEST_SYMBOL, 22, name="best", x=best["at_x"], y=best["at_y"])
    _add_ring(c, "circle-open", 19, name="selected", x=[None], y=[None], meta=RING, showlegend=False)


def add_budget(c: Canvas) -> None:
    """Dotted lines at the bounds, which are amounts: they have no place on axes that compare with baselines."""
    line = {"width": 1.2, "dash": "dot", "color": theme.translucent(c.ink.line, 0.6)}
    if c.marks.at_most is not None and c.x.of is None and (c.marks.at_most > 0 or not c.log[0]):
        c.fig.add_vline(x=c.marks.at_most, line=line)
    if c.marks.at_least is not None and c.y.of is None and (c.marks.at_least > 0 or not c.log[1]):
        c.fig.add_hline(y=c.marks.at_least, line=line)


def _symbols(rows: pd.DataFrame) -> pd.Series:
    shapes = rows["order"].astype(object).map(theme.ORDER_SYMBOLS).fillna(theme.OTHER_SYMBOL)
    symbols = shapes + rows["stage"].astype(object).map(theme.STAGE_MARKS).fillna("")
    return symbols.where(rows["stage"] != "quantized", theme.INT8_SYMBOL).rename("symbol")


def _colours(c: Canvas, rows: pd.DataFrame, criterion: str, *, hollow: bool) -> dict[str, Any]:
    """The colours of markers: paler where a point is off the front. An opacity would change with a selection."""
    colour = theme.criterion_colour(criterion)
    edge = colour if hollow else theme.EDGE
    width = 1.8 if hollow else 0.6
    if not c.marks.front:
        return {"color": colour, "line": {"width": width, "color": edge}}
    on_front = rows["id"].isin(c.marks.front).to_numpy(np.int8)
    fill, line = ({"color": on_front, "cmin": 0, "cmax": 1, "colorscale": _fade(each)} for each in (colour, edge))
    return {**fill, "showscale": False, "line": {"width": width, **line}}


def _dimmed(criterion: str) -> dict[str, Any]:
    colour = theme.translucent(theme.criterion_colour(criterion), DIMMED)
    return {"color": colour, "line": {"width": 1, "color": colour}}


def _fade(colour: str) -> list[list[Any]]:
    """A colour scale from the faded colour, at 0, to the full one, at 1."""
    return [[0, theme.translucent(colour, FADED)], [1, colour]]


def _add_ring(c: Canvas, symbol: str, size: int, **properties: Any) -> None:
    line = {"width": 2, "color": c.ink.line}
    c.fig.add_scatter(
        mode="markers",
        marker={"symbol": symbol, "size": size, "color": c.ink.line, "line": line},
        hoverinfo="skip",
        **properties,
    )
