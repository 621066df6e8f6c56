"""The pseudo-labels of a run: of how many target images it took some, each time it made them. Pure functions."""

from collections.abc import Sequence
from itertools import pairwise

import plotly.graph_objects as go

from app import escape, format, theme
from engine.storage.records.event import PseudoLabels

_COLOUR = "#0072B2"
_MOST_LINES = 40  # between stages; iterative methods have one at every step
_TICKS = 8  # at most; among fewer times than that, Plotly alone would put ticks between two of them


def figure(events: Sequence[PseudoLabels], *, height: int = 150) -> go.Figure:
    """The share of the target images with a pseudo-label, and a line where each stage or target begins, if few do.

    `events` are in order; of those without any target images nothing is drawn.
    """
    count = list(range(1, len(events) + 1))
    stages = [escape.html(f"{each.stage} {format.ratio(each.keep)}") for each in events]
    fig = go.Figure()
    fig.add_scatter(
        x=count,
        y=[100 * each.taken / each.of if each.of else None for each in events],
        mode="lines+markers" if len(count) < 3 else "lines",
        line={"color": _COLOUR, "width": 2, "shape": "hv"},
        customdata=[[stage, each.taken, each.of, each.classes] for stage, each in zip(stages, events, strict=True)],
        hovertemplate="%{customdata[1]:,} of %{customdata[2]:,}, of %{customdata[3]} classes · %{customdata[0]}"
        "<extra></extra>",
    )
    starts = [before for before, (left, right) in enumerate(pairwise(stages), start=1) if left != right]
    for before in starts if len(starts) <= _MOST_LINES else ():
        fig.add_vline(x=before + 0.5, line={"width": 1, "dash": "dot", "color": theme.translucent(theme.NEUTRAL, 0.6)})
    ticks = {"dtick": 1} if len(count) <= _TICKS else {"nticks": _TICKS}
    fig.update_layout(
        height=height,
        margin={"l": 0, "r": 4, "t": 8, "b": 0},
        dragmode=False,
        uirevision="keep",
        showlegend=False,
        xaxis={"title": "times they were made", "tickformat": "d", "fixedrange": True} | ticks,
        yaxis={"title": "pseudo-labels", "ticksuffix": " %", "range": [0, 105], "fixedrange": True, "nticks": 5},
    )
    return fig


def describe(events: Sequence[PseudoLabels]) -> str:
    """The chart in one sentence."""
    last = events[-1]
    times = "once" if len(events) == 1 else f"{len(events)} times"
    return f"Pseudo-labels made {times}, at last for {last.taken:,} of {last.of:,} target images."
