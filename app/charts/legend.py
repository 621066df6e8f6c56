"""The legends of charts: where they lie, and what those of points explain: colours, symbols and fillings, each once.

Each mark has one meaning: a stroke of colour is a criterion, a shape in the text's colour an order. Shapes are not
grey, as that is the colour of the random criterion, and none of them is that of a baseline.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import pandas as pd

from app import escape, text, theme
from engine.storage.records.remarks import NEAR_CHANCE

ABOVE: dict[str, object] = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"}
# At the figure's end: clear of the axis's title however low the plot is, of the tools above it, and of what is shown
# under the pointer, which is not as high as the title and the ticks.
BELOW: dict[str, object] = {
    "orientation": "h",
    "x": 0,
    "xref": "container",
    "yref": "container",
    "y": 0,
    "yanchor": "bottom",
    "itemsizing": "constant",
    "itemwidth": 30,
    "itemdoubleclick": "toggleothers",
}


class Traces(Protocol):
    """What traces are added to, Plotly's figure or ours."""

    def add_traces(self, data: list[dict[str, Any]]) -> object:
        """Adds traces, of the type scatter where none is named."""


def add_keys(fig: Traces, points: pd.DataFrame, ink: theme.Ink, hidden: Iterable[str] = ()) -> None:
    """A key for each criterion, order, stage and kind of point among these; those of `hidden` criteria are off."""
    pruned = points[~points["baseline"]]
    for criterion in pruned["criterion"].unique().tolist():
        _add(
            fig,
            escape.html(text.criterion_label(criterion)),
            mode="lines",
            line={"width": 6, "color": theme.criterion_colour(criterion)},
            legendgroup=criterion,
            visible="legendonly" if criterion in hidden else True,
        )
    for symbol, colour, name in _shapes(points, pruned, ink):
        marker = {"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.8, "color": colour}}
        _add(fig, name, mode="markers", marker=marker)


def _shapes(points: pd.DataFrame, pruned: pd.DataFrame, ink: theme.Ink) -> Iterator[tuple[str, str, str]]:
    """Symbol, colour and name of what shapes and fillings say; those of fillings have the shape of an order shown."""
    shapes = {order: theme.ORDER_SYMBOLS.get(order, theme.OTHER_SYMBOL) for order in pruned["order"].unique().tolist()}
    for order, shape in shapes.items():
        yield shape, ink.line, escape.html(text.order_label(order))
    for stage, name in (("pruned", "before recovery"), ("reconstructed", "reconstructed")):
        if pruned["stage"].eq(stage).any():
            yield next(iter(shapes.values())) + theme.STAGE_MARKS[stage], ink.line, name
    if pruned["int8"].any():
        yield theme.INT8_SYMBOL, ink.line, "INT8"
    if points["at_chance"].any():
        yield theme.CHANCE_SYMBOL, theme.ALARM, NEAR_CHANCE


def _add(fig: Traces, name: str, **look: object) -> None:
    fig.add_traces([{"x": [None], "y": [None], "name": name, "hoverinfo": "skip", **look}])
