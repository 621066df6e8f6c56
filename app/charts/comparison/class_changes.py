"""How much each class loses or gains against a first model: bars from nought, a colour a model. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from app import escape, format, theme

_BAR_PX, _CLASS_PX, _FRAME_PX = 9, 10, 70  # a bar, what is between classes, and what is around them
_LONGEST = 24  # characters of a class


@dataclass(frozen=True)
class Series:
    """A model: the column of its accuracies, its name as HTML, and its colour."""

    column: str
    name: str
    colour: str


def figure(accuracies: pd.DataFrame, first: Series, others: Sequence[Series], *, ink: theme.Ink) -> go.Figure:
    """The changes of the `others` to `first` in percentage points, a group of bars for each row, from top to bottom.

    `accuracies` has the shares of right images by column, and `class` and `images`.
    """
    names = [escape.html(name, _LONGEST) for name in accuracies["class"]]
    fig = go.Figure()
    for series in others:
        changes = 100 * (accuracies[series.column] - accuracies[first.column])
        fig.add_bar(
            x=changes,
            y=list(range(len(names))),
            orientation="h",
            name=series.name,
            marker={"color": series.colour, "line": {"width": 0.6, "color": ink.line}},
            customdata=[_hover(row, series, first) for row in accuracies.to_dict("records")],
            hovertemplate="%{customdata}<extra></extra>",
        )
    fig.add_vline(x=0, line={"width": 1.2, "color": ink.line})
    fig.update_layout(
        height=_FRAME_PX + len(names) * (_CLASS_PX + _BAR_PX * len(others)),
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        bargap=0.25,
        dragmode=False,
        hoverlabel={"align": "left"},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        showlegend=True,
        xaxis={"title": f"change to {first.column}, points", "fixedrange": True, "zeroline": False, "automargin": True},
        yaxis={
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "autorange": "reversed",
            "fixedrange": True,
            "automargin": True,
        },
    )
    return fig


def _hover(row: dict[str, object], series: Series, first: Series) -> str:
    one, other = (format.percent(float(str(row[each.column]))) for each in (first, series))
    return f"class {escape.html(row['class'])}, {row['images']} images<br>{first.column} {one}, {series.column} {other}"
