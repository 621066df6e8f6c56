"""The points of the trade-off chart, rings around some of them, and the budget's lines."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app import escape, text, theme
from app.charts.marks.canvas import Canvas, Dots
from app.tables import selection
from engine.storage.records.remarks import NEAR_CHANCE

FADED = 0.45  # opacity of a point that another one beats on both axes
DIMMED = 0.22  # and of what is shipped, where there are others
RING = "ring"  # the `meta` of the trace around the selected point, which the page moves without drawing anew
_OF_LOOK = ("criterion", "order", "gallery")
MOST_LOOKS = 60  # that have traces of their own
_SIZE, _STEP_SIZE = 10, 6  # px, of a point that ends something and of one on the way


def add_points(c: Canvas, rows: pd.DataFrame) -> None:
    """Pruned networks: a trace for each look, which is criterion, order, stage, whether it is one on the way and whose.

    Shipped ones lie below the others, which step forward. Of very many looks one for each criterion: each trace takes
    milliseconds, whatever it holds.
    """
    if rows.empty:
        return
    rows = rows.sort_values("gallery", ascending=False, kind="stable") if c.steps_back else rows
    dots, symbols, on_front = Dots.of(rows), _symbols(rows), rows["on_front"].to_numpy()
    on_the_way = (rows["trajectory"].notna() & ~rows["final"]).to_numpy()
    looks = selection.alike(*(rows[name] for name in _OF_LOOK), pd.Series(symbols), pd.Series(on_the_way))
    is_by_order = looks.max() < MOST_LOOKS
    if not is_by_order:
        looks = selection.alike(rows["criterion"], rows["gallery"])
    criteria, orders, gallery = (rows[name].to_numpy(object) for name in _OF_LOOK)
    for places in np.split(np.argsort(looks, kind="stable"), np.cumsum(np.bincount(looks))[:-1]):
        criterion = str(criteria[places[0]])
        name = [text.criterion_label(criterion), *([text.order_label(str(orders[places[0]]))] if is_by_order else ())]
        shape = {"symbol": _once(symbols[places]), "size": _once(np.where(on_the_way[places], _STEP_SIZE, _SIZE))}
        if c.steps_back and gallery[places[0]]:
            look = _dimmed(criterion)
        else:
            colour, hollow = theme.criterion_colour(criterion), np.array(["open" in each for each in symbols[places]])
            look = _colours(colour, hollow, on_front[places] if c.marks.front else None)
        c.add_dots(dots[places], marker=shape | look, legendgroup=criterion, name=escape.html(", ".join(name)))


def add_points_at_chance(c: Canvas, rows: pd.DataFrame) -> None:
    """What guessing may have given, baselines among it: in red, so that nobody takes it for a network that works."""
    if not rows.empty:
        c.add_dots(
            Dots.of(rows),
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
        c.add_line(x=c.marks.at_most, line=line)
    if c.marks.at_least is not None and c.y.of is None and (c.marks.at_least > 0 or not c.log[1]):
        c.add_line(y=c.marks.at_least, line=line)


def _symbols(rows: pd.DataFrame) -> NDArray[np.object_]:
    """The symbol of each point, made once for those of one order and stage."""
    order, stage = rows["order"].to_numpy(object), rows["stage"].to_numpy(object)
    kinds = selection.alike(rows["order"], rows["stage"])
    _, first = np.unique(kinds, return_index=True)
    found: NDArray[np.object_] = np.array([_symbol(order[place], stage[place]) for place in first], dtype=object)[kinds]
    return found


def _symbol(order: object, stage: object) -> str:
    shape = theme.ORDER_SYMBOLS.get(str(order), theme.OTHER_SYMBOL)
    return theme.INT8_SYMBOL if stage == "quantized" else shape + theme.STAGE_MARKS.get(str(stage), "")


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
