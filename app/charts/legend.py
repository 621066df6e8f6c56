"""The legends of charts: where they lie, and what those of points explain: colours, symbols and fillings, each once."""

import pandas as pd
import plotly.graph_objects as go

from app import escape, text, theme
from engine.storage.records.remarks import NEAR_CHANCE

ABOVE: dict[str, object] = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"}
# At the figure's end, so that it keeps clear of the axis's title however low the plot is.
BELOW: dict[str, object] = {
    "orientation": "h",
    "x": 0,
    "yref": "container",
    "y": 0,
    "yanchor": "bottom",
    "itemclick": False,
    "itemdoubleclick": False,
}


def add_keys(fig: go.Figure, points: pd.DataFrame) -> None:
    """The legend: one entry per criterion (its colour), one per order (its symbol), what hollow and the cross mean."""
    pruned = points[~points["baseline"]]
    for criterion in dict.fromkeys(pruned["criterion"]):
        fig.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "circle", "size": 10, "color": theme.criterion_colour(criterion)},
            legendgroup=criterion,
            name=escape.html(text.criterion_label(criterion)),
        )
    orders = list(dict.fromkeys(pruned["order"]))
    for order in orders:
        fig.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": theme.ORDER_SYMBOLS.get(order, "x"), "size": 9, "color": theme.NEUTRAL},
            legend="legend2",
            name=escape.html(text.order_label(order)),
        )
    for present, symbol, colour, name in (
        (pruned["stage"].eq("pruned").any(), "circle-open", theme.NEUTRAL, "before recovery"),
        (pruned["stage"].eq("reconstructed").any(), "circle-open-dot", theme.NEUTRAL, "reconstructed"),
        (pruned["int8"].any(), theme.INT8_SYMBOL, theme.NEUTRAL, "INT8"),
        (points["at_chance"].any(), theme.CHANCE_SYMBOL, theme.ALARM, NEAR_CHANCE),
    ):
        if present:
            fig.add_scatter(
                x=[None],
                y=[None],
                mode="markers",
                marker={"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.8}},
                legend="legend2",
                name=name,
            )
