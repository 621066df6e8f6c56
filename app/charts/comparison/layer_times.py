"""What each layer takes in the untouched and in the pruned network: bars side by side, layer under layer. Pure.

A tick on a pruned layer's bar is what its multiply–accumulates alone would leave of its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app import escape, format, theme

_ROW_PX, _FRAME_PX = 24, 62  # a layer with its two bars, and what is around all of them
_LONGEST = 20  # characters of a name; the end of a longer one says most


@dataclass(frozen=True)
class Row:
    """A layer, or all copies or the like together, in ms; None where a network has none of it.

    `expected` is what the MACs alone would leave, `note` a line more for the hover.
    """

    name: str
    untouched: float | None
    pruned: float | None
    expected: float | None = None
    note: str = ""


def figure(rows: Sequence[Row], colour: str, *, ink: theme.Ink) -> go.Figure:
    """Two bars for each row, from top to bottom; the pruned network's in `colour`."""
    places = list(range(len(rows)))
    fig = go.Figure()
    series = (
        ("untouched", [row.untouched for row in rows], theme.translucent(ink.line, 0.35)),
        ("pruned", [row.pruned for row in rows], colour),
    )
    for name, values, fill in series:
        fig.add_bar(
            x=values,
            y=places,
            orientation="h",
            name=name,
            marker={"color": fill, "line": {"width": 0.6, "color": ink.line}},
            customdata=[_hover(row) for row in rows],
            hovertemplate="%{customdata}<extra></extra>",
        )
    known = [(row.expected, place + 0.2) for place, row in zip(places, rows, strict=True) if row.expected is not None]
    fig.add_scatter(
        x=[ms for ms, _ in known],
        y=[place for _, place in known],
        mode="markers",
        name="by its MACs",
        marker={"symbol": "line-ns-open", "size": 9, "line": {"width": 2}, "color": ink.line},
        hoverinfo="skip",
    )
    fig.update_layout(
        height=_FRAME_PX + _ROW_PX * len(rows),
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        bargap=0.2,
        dragmode=False,
        hoverlabel={"align": "left"},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        xaxis={"title": "ms, by the profiler", "fixedrange": True, "rangemode": "tozero", "automargin": True},
        yaxis={
            "tickvals": places,
            "ticktext": [escape.html(_short(row.name)) for row in rows],
            "range": [len(rows) - 0.5, -0.5],
            "fixedrange": True,
            "automargin": True,
        },
    )
    return fig


def describe(rows: Sequence[Row]) -> str:
    """The picture in words: the layer that lost most against what its MACs promise."""
    known = [row for row in rows if row.pruned is not None and row.expected is not None]
    if not known:
        return f"The time of {len(rows)} layers in both networks."
    worst = max(known, key=lambda row: (row.pruned or 0.0) - (row.expected or 0.0))
    return (
        f"The time of {len(rows)} layers in both networks. Most above what its MACs promise: "
        f"{escape.plain(worst.name)}, {format.milliseconds(worst.pruned)} instead of "
        f"{format.milliseconds(worst.expected)}."
    )


def _hover(row: Row) -> str:
    lines = [escape.html(row.name)]
    before = "not in the untouched network" if row.untouched is None else format.milliseconds(row.untouched)
    after = "removed" if row.pruned is None else format.milliseconds(row.pruned)
    lines.append(f"{before} → {after}")
    if row.expected is not None:
        lines.append(f"by its MACs {format.milliseconds(row.expected)}")
    if row.note:
        lines.append(escape.html(row.note))
    return "<br>".join(lines)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"
