"""The points of the trade-off chart, rings around some of them, and the budget's lines."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app import escape, text, theme
from app.charts.marks.canvas import Canvas
from engine.storage.records.remarks import NEAR_CHANCE

FADED = 0.45  # opacity of a point that another one beats on both axes
DIMMED = 0.22  # and of what is shipped, where there are others
RING = "ring"  # the `meta` of the trace around the selected point, which the page moves without drawing anew
_OF_DOTS = ["criterion", "gallery", "order", "on_front", "at_x", "at_y", "id", "hover"]
MOST_LOOKS = 60  # that have traces of their own
_SIZE, _STEP_SIZE = 10, 6  # px, of a point that ends something and of one on the way


def add_points(c: Canvas, rows: pd.DataFrame) -> None:
    """Pruned networks: a trace for each look, which is criterion, order, stage, whether it is one on the way and whose.

    Shipped ones lie below the others, which step forward. Of very many looks one for each criterion: each trace takes
    milliseconds, whatever it holds.
    """
    ends_nothing = (rows["trajectory"].notna() & ~rows["final"]).rename("on_the_way")
    rows = rows.sort_values("gallery", ascending=False, kind="stable") if c.steps_back else rows
    rows = rows[_OF_DOTS].assign(symbol=_symbols(rows), on_the_way=ends_nothing)  # few columns are soon parted
    groups = rows.groupby(["criterion", "gallery", "order", "symbol", "on_the_way"], sort=False, observed=True)
    if groups.ngroups > MOST_LOOKS:
        groups = rows.groupby(["criterion", "gallery"], sort=False, observed=True)
    for (criterion, _, *order), group in groups:
        name = [text.criterion_label(str(criterion)), *(text.order_label(str(each)) for each in order[:1])]
        c.add_dots(group, marker=_marker(c, group), legendgroup=criterion, name=escape.html(", ".join(name)))


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


def _marker(c: Canvas, rows: pd.DataFrame) -> dict[str, Any]:
    """How the points of one criterion look; what is the same for all of them is said once."""
    size = np.where(rows["on_the_way"], _STEP_SIZE, _SIZE)
    hollow = rows["symbol"].str.contains("open").to_numpy()
    criterion = str(rows["criterion"].iloc[0])
    shape = {"symbol": _once(rows["symbol"].to_numpy(object)), "size": _once(size)}
    if c.steps_back and rows["gallery"].iloc[0]:
        return shape | _dimmed(criterion)
    colour = theme.criterion_colour(criterion)
    return shape | _colours(colour, hollow, rows["on_front"].to_numpy() if c.marks.front else None)


def _colours(colour: str, hollow: NDArray[np.bool_], on_front: NDArray[np.bool_] | None) -> dict[str, Any]:
    """The colours of markers: paler where a point is off the front. An opacity would change with a selection."""
    width = _once(np.where(hollow, 1.8, 0.6))
    if on_front is None:
        return {"color": colour, "line": {"width": width, "color": _once(np.where(hollow, colour, theme.EDGE))}}
    edges = [theme.EDGE, colour] if len(set(hollow.tolist())) > 1 else [colour if hollow.all() else theme.EDGE]
    edge = on_front + 2 * hollow if len(edges) > 1 else on_front
    fill, line = _scale(on_front, [colour]), _scale(edge, edges)
    return {**fill, "showscale": False, "line": {"width": width, **line}}


def _dimmed(criterion: str) -> dict[str, Any]:
    colour = theme.translucent(theme.criterion_colour(criterion), DIMMED)
    return {"color": colour, "line": {"width": 1, "color": colour}}


def _scale(values: NDArray[Any], colours: list[str]) -> dict[str, Any]:
    """A colour for each value: for 0 the first one, faded, for 1 in full, for 2 the second one, faded, and so on."""
    shades = [shade for colour in colours for shade in (theme.translucent(colour, FADED), colour)]
    last = len(shades) - 1
    scale = [[number / last, shade] for number, shade in enumerate(shades)]
    return {"color": values.astype(np.int8), "cmin": 0, "cmax": last, "colorscale": scale}


def _once(values: NDArray[Any]) -> Any:
    """The one value that all are, or all of them."""
    return values[0] if (values == values[0]).all() else values


def _add_ring(c: Canvas, symbol: str, size: int, **properties: Any) -> None:
    line = {"width": 2, "color": c.ink.line}
    c.add(
        mode="markers",
        marker={"symbol": symbol, "size": size, "color": c.ink.line, "line": line},
        hoverinfo="skip",
        **properties,
    )
