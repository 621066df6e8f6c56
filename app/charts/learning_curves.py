"""Learning curves: the epochs of a run as a figure. Pure functions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import plotly.graph_objects as go

from app import escape, format, theme
from app.charts import legend
from engine.storage.records.event import Epoch

Quantity = Literal["loss", "accuracy"]
_TICKS = 8  # at most; among fewer epochs than that, Plotly alone would put ticks between two of them


def figure(epochs: Sequence[Epoch], quantity: Quantity, *, ink: theme.Ink, height: int = 170) -> go.Figure:
    """Loss or accuracy over the run's epochs, counted from its start, with a thin line where a new stage begins.

    `epochs` are in order.
    """
    count = list(range(1, len(epochs) + 1))
    stages = [escape.html(f"{each.stage} {format.ratio(each.keep)}") for each in epochs]
    series = (
        [("training loss", "#0072B2", [each.loss for each in epochs])]
        if quantity == "loss"
        else [
            ("training", "#E69F00", [100 * each.train_top1 for each in epochs]),
            ("validation", "#009E73", [100 * each.val_top1 for each in epochs]),
        ]
    )
    fig = go.Figure()
    for name, colour, values in series:
        fig.add_scatter(
            x=count,
            y=values,
            name=name,
            mode="lines+markers" if len(count) < 3 else "lines",
            line={"color": colour, "width": 2},
            customdata=stages,
            hovertemplate="%{y:.3~f}" + (" %" if quantity == "accuracy" else "") + " · epoch %{x}, %{customdata}",
        )
    for before, (left, right) in enumerate(pairwise(stages), start=1):
        if left != right:
            fig.add_vline(
                x=before + 0.5, line={"width": 1, "dash": "dot", "color": theme.translucent(theme.NEUTRAL, 0.6)}
            )
    ticks = {"dtick": 1} if len(count) <= _TICKS else {"nticks": _TICKS}
    fig.update_layout(
        height=height,
        margin={"l": 0, "r": 4, "t": 26, "b": 0},
        hovermode="x unified",
        dragmode=False,
        uirevision="keep",
        legend=legend.ABOVE | {"font": {"color": ink.line}},
        showlegend=True,
        xaxis={"title": None, "tickformat": "d", "fixedrange": True} | ticks,
        yaxis={"ticksuffix": " %" if quantity == "accuracy" else "", "fixedrange": True, "nticks": 5},
    )
    return fig


def describe(epochs: Sequence[Epoch], quantity: Quantity) -> str:
    last = epochs[-1]
    if quantity == "loss":
        return f"Training loss over {len(epochs)} epochs, now {last.loss:.3f}."
    return f"Accuracy over {len(epochs)} epochs, validation now {format.percent(last.val_top1)}."
