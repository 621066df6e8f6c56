"""The tries of a search for the smallest network: validation accuracy against what is kept. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app import escape, format, text, theme
from app.charts import legend
from engine.spec.run import RunSpec
from engine.storage.records.point import Point

_SIZE, _RING = 11, 20  # px


@dataclass(frozen=True)
class Search:
    """What was asked for and what was tried: accuracies are shares, costs shares of the untouched network's."""

    metric: str
    least: float
    splits: bool  # between layers and channels
    baseline: Point
    tries: tuple[Point, ...]
    answer: Point | None

    def share(self, point: Point) -> float:
        """What a point costs in the metric, as a share of the baseline; milliseconds are the predicted ones."""
        if point.predicted_ms is not None and self.baseline.predicted_ms:
            return point.predicted_ms / self.baseline.predicted_ms
        return point.got.share(self.metric) or 0.0

    def is_found(self, point: Point) -> bool:
        """Whether a try is the network that the search ended with."""
        found = self.answer
        return found is not None and (point.keep, point.criterion, point.depth_share) == (
            found.keep,
            found.criterion,
            found.depth_share,
        )

    def holds(self, point: Point) -> bool:
        """Whether a try has the accuracy that was asked for."""
        return point.val_top1 >= self.least - 1e-9

    def label(self, point: Point) -> str:
        """What a try was made with."""
        share = f", layers' share {point.depth_share:g}" if self.splits else ""
        return f"{text.criterion_label(str(point.criterion))}{share}"


def search_of(spec: RunSpec, points: Sequence[Point]) -> Search | None:
    """The search among a run's points; None where the run is none, or nothing has been tried yet."""
    tries = tuple(point for point in points if point.is_try)
    if not spec.target.asks_accuracy or not tries:
        return None
    return Search(
        spec.target.metric,
        spec.target.least_accuracy(points[0].val_top1),
        len(spec.phases()) > 1,
        points[0],
        tries,
        next((point for point in points if point.answer), None),
    )


def figure(search: Search, *, ink: theme.Ink) -> go.Figure:
    """A line for each trajectory, the accuracy asked for as a dashed line, a ring around what was found."""
    fig = go.Figure()
    for trajectory in dict.fromkeys(point.trajectory for point in search.tries):
        points = sorted((p for p in search.tries if p.trajectory == trajectory), key=search.share)
        criterion = str(points[0].criterion)
        fig.add_scatter(
            x=[search.share(point) for point in points],
            y=[100 * point.val_top1 for point in points],
            mode="lines+markers",
            name=escape.html(search.label(points[0])),
            line={"color": theme.translucent(theme.criterion_colour(criterion), 0.5), "width": 1.5},
            marker={"size": _SIZE, "color": theme.criterion_colour(criterion)},
            text=[escape.html(f"try {point.step}, {format.ratio(search.share(point))}") for point in points],
            hovertemplate="%{text}: %{y:.1f} %<extra></extra>",
        )
    for point in filter(search.is_found, search.tries):
        fig.add_scatter(
            x=[search.share(point)],
            y=[100 * point.val_top1],
            mode="markers",
            marker={"symbol": "circle-open", "size": _RING, "color": ink.line, "line": {"width": 2}},
            hoverinfo="skip",
            showlegend=False,
            name="found",
        )
    fig.add_hline(y=100 * search.least, line={"dash": "dash", "width": 1.2, "color": ink.line})
    fig.update_layout(
        height=300,
        margin={"l": 0, "r": 8, "t": 30, "b": 0},
        hoverlabel={"align": "left"},
        legend=legend.ABOVE,
        xaxis={"title": f"{escape.html(search.metric)} kept", "ticksuffix": "×"},
        yaxis={"title": "validation accuracy", "ticksuffix": " %", "nticks": 7},
    )
    return fig


def describe(search: Search) -> str:
    """The chart in one sentence."""
    count = f"{len(search.tries)} " + ("try" if len(search.tries) == 1 else "tries")
    held = sum(map(search.holds, search.tries))
    asked = f"of which {held} keep the {format.percent(search.least)} of validation accuracy asked for"
    if search.answer is None:
        return f"{count}, {asked}."
    return f"{count}, {asked}; the smallest of them keeps {format.ratio(search.share(search.answer))}."
