"""Charts as pure functions: a DataFrame (or rows of numbers) in, a Plotly figure out. Nothing here touches the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from app import escape, text, theme
from app.charts import legend
from app.charts.axes import Axis, value_label
from app.charts.curves import Curve, curves, trajectories
from app.tables.points import SAME_IMAGES
from engine.storage.records.remarks import NEAR_CHANCE

FADED = 0.45  # opacity of a point that another one beats on both axes
_SIZE, _STEP_SIZE = 10, 6  # px, of a point that ends something and of one on the way
_SVG_POINTS = 1000  # more are drawn by the graphics card
_LEFT, _RIGHT = {"x": 0.005, "xanchor": "left"}, {"x": 0.995, "xanchor": "right"}
_ABOVE, _BELOW = {"yanchor": "bottom"}, {"yanchor": "top"}
# Where the names of baselines stand, from the highest line down: lines may lie close, and no name is to cover another.
_BASELINE_NAMES = (_LEFT | _ABOVE, _RIGHT | _ABOVE, _LEFT | _BELOW, _RIGHT | _BELOW)


@dataclass(frozen=True)
class Marks:
    """What the trade-off chart points out besides the points themselves; ids are values of the `id` column."""

    front: frozenset[str] = frozenset()
    selected: str | None = None
    best: str | None = None
    at_most: float | None = None  # a budget on x, in the axis's unit
    at_least: float | None = None  # a floor (or, for a loss, a ceiling) on y, in the axis's unit


@dataclass(frozen=True)
class _Canvas:
    """What every part of the trade-off chart shares."""

    fig: go.Figure
    x: Axis
    y: Axis
    ink: theme.Ink
    marks: Marks
    dots: type[go.Scatter | go.Scattergl]  # how the points are drawn

    def at(self, rows: pd.DataFrame) -> dict[str, pd.Series]:
        """Where rows lie, in the axes' units."""
        return {"x": rows[self.x.column] * self.x.factor, "y": rows[self.y.column] * self.y.factor}


def figure(
    points: pd.DataFrame, x: Axis, y: Axis, *, ink: theme.Ink, log: bool = False, marks: Marks = Marks(), note: str = ""
) -> go.Figure:
    """Accuracy against cost: one symbol per model, one line per experiment, its baseline and the Pareto front.

    `points` has the columns of `points.tidy`; rows without a value on either axis are left out. `note` is added to
    the title of the x axis (the conditions of a latency).
    """
    rows = points.dropna(subset=[x.column, y.column])
    rows = rows.assign(hover=[text.hover(row) for row in rows.to_dict("records")])
    dots = go.Scattergl if len(rows) > _SVG_POINTS else go.Scatter
    canvas = _Canvas(go.Figure(), x, y, ink, marks, dots)
    sound = rows[~rows["at_chance"]]
    _add_baselines(canvas, sound)
    _add_trajectories(canvas, rows)
    _add_curves(canvas, rows)
    _add_front(canvas, rows)
    for (criterion, order), group in sound[~sound["baseline"]].groupby(["criterion", "order"], sort=False):
        _add_points(canvas, group, str(criterion), str(order))
    _add_points_at_chance(canvas, rows[rows["at_chance"]])
    _add_rings(canvas, rows)
    _add_budget(canvas)
    legend.add_keys(canvas.fig, rows)
    _lay_out(canvas, log, note)
    return canvas.fig


def describe(points: pd.DataFrame, x: Axis, y: Axis, best: str | None) -> str:
    """The chart in one sentence: what is drawn, and the one model that the budget (or the axis) favours."""
    rows = points.dropna(subset=[x.column, y.column])
    sentence = f"{y.label} against {x.label} for {len(rows)} models"
    if rows["at_chance"].any():
        sentence += f", {rows['at_chance'].sum()} of them {NEAR_CHANCE}"
    if best is None or best not in set(rows["id"]):
        return sentence + "."
    row = rows.set_index("id").loc[best]
    return (
        f"{sentence}; the best within the budget is {text.criterion_label(row['criterion'])}, "
        f"{text.method(row)}{', INT8' if row['int8'] else ''}, with "
        f"{y.label} {value_label(row[y.column], y)} at {x.label} {value_label(row[x.column], x)}."
    )


def _add_baselines(c: _Canvas, rows: pd.DataFrame) -> None:
    baselines = rows[rows["baseline"]]
    if baselines.empty:
        return
    means = baselines.groupby(["model", "data_label"], sort=False)[c.y.column].mean() * c.y.factor
    if len(means) <= len(_BASELINE_NAMES):  # more dashed lines say nothing
        levels = means.sort_values(ascending=False).items()
        for ((model, data), level), place in zip(levels, _BASELINE_NAMES, strict=False):
            c.fig.add_hline(
                y=level,
                line={"dash": "dash", "width": 1.2, "color": c.ink.line},
                opacity=0.7,
                annotation={
                    "text": "baseline" if len(means) == 1 else escape.html(f"{model} on {data}, baseline"),
                    "font": {"size": 11, "color": c.ink.line},
                    **place,
                },
            )
    c.fig.add_scatter(
        **c.at(baselines),
        mode="markers",
        marker={"symbol": "circle", "size": 9, "color": c.ink.line, "line": {"width": 1, "color": c.ink.paper}},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        customdata=baselines[["id", "hover"]],
        hovertemplate="%{customdata[1]}<extra></extra>",
        name="baseline",
        showlegend=False,
    )


def _add_trajectories(c: _Canvas, rows: pd.DataFrame) -> None:
    """One thin trace per criterion through the steps of its runs."""
    steps = trajectories(rows, c.x.column, c.y.column)
    for criterion in dict.fromkeys(curve.criterion for curve in steps):
        xs, ys = _with_gaps([(curve.x, curve.y) for curve in steps if curve.criterion == criterion])
        c.fig.add_scatter(
            x=[None if x is None else x * c.x.factor for x in xs],
            y=[None if y is None else y * c.y.factor for y in ys],
            mode="lines",
            line={"color": theme.translucent(theme.criterion_colour(criterion), 0.5), "width": 1},
            hoverinfo="skip",
            legendgroup=criterion,
            showlegend=False,
            name=escape.html(f"{text.criterion_label(criterion)}, steps"),
        )


def _add_curves(c: _Canvas, rows: pd.DataFrame) -> None:
    """One trace per criterion for its bands and one for its lines: their experiments are parted by gaps."""
    targets = curves(rows[rows["final"] & ~rows["baseline"]], c.x.column, c.y.column)
    for criterion in dict.fromkeys(curve.criterion for curve in targets):
        of_criterion = [curve for curve in targets if curve.criterion == criterion]
        colour = theme.criterion_colour(criterion)
        for name, outlines, style in (
            (
                "95 % interval over seeds",
                [_band(curve) for curve in of_criterion],
                _fill(theme.translucent(colour, 0.15)),
            ),
            (
                escape.html(text.criterion_label(criterion)),
                [(curve.x, curve.y) for curve in of_criterion],
                {"line": {"color": theme.translucent(colour, 0.65), "width": 1.6}},
            ),
        ):
            xs, ys = _with_gaps(outlines)
            if xs:
                c.fig.add_scatter(
                    x=[None if x is None else x * c.x.factor for x in xs],
                    y=[None if y is None else y * c.y.factor for y in ys],
                    mode="lines",
                    hoverinfo="skip",
                    legendgroup=criterion,
                    showlegend=False,
                    name=name,
                    **style,
                )


Outline = tuple[tuple[float, ...], tuple[float, ...]]


def _band(curve: Curve) -> Outline:
    """The outline of a curve's interval, there along its top and back along its bottom; empty without one."""
    if curve.low is None or curve.high is None:
        return (), ()
    return curve.x + curve.x[::-1], curve.high + curve.low[::-1]


def _fill(colour: str) -> dict[str, Any]:
    return {"fill": "toself", "fillcolor": colour, "line": {"width": 0}}


def _with_gaps(outlines: Sequence[Outline]) -> tuple[list[float | None], list[float | None]]:
    """Outlines one after the other with a gap between them."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for x, y in outlines:
        if x:
            xs += [None, *x] if xs else x
            ys += [None, *y] if ys else y
    return xs, ys


def _add_front(c: _Canvas, rows: pd.DataFrame) -> None:
    best = rows[rows["id"].isin(c.marks.front)].sort_values([c.x.column, c.y.column])
    fronts = [front for _, front in best.groupby(SAME_IMAGES, dropna=False) if len(front) > 1]
    for number, front in enumerate(fronts):
        c.fig.add_scatter(
            **c.at(front),
            mode="lines",
            line={"color": theme.translucent(c.ink.line, 0.75), "width": 2.6, "shape": "hv"},
            hoverinfo="skip",
            showlegend=number == 0,
            legend="legend2",
            name="Pareto front",
        )


def _add_points(c: _Canvas, group: pd.DataFrame, criterion: str, order: str) -> None:
    symbol = theme.ORDER_SYMBOLS.get(order, "x")
    hollow = group["stage"].isin(theme.STAGE_MARKS)
    intermediate = group["trajectory"].notna() & ~group["final"]
    opacity = [1.0 if i in c.marks.front or not c.marks.front else FADED for i in group["id"]]
    colour = theme.criterion_colour(criterion)
    trace = c.dots(
        **c.at(group),
        mode="markers",
        marker={
            "symbol": [
                theme.INT8_SYMBOL if stage == "quantized" else symbol + theme.STAGE_MARKS.get(stage, "")
                for stage in group["stage"]
            ],
            "size": [_STEP_SIZE if step else _SIZE for step in intermediate],
            "color": colour,
            "opacity": opacity,
            "line": {
                "width": [1.8 if h else 0.6 for h in hollow],
                "color": [colour if h else "#606060" for h in hollow],
            },
        },
        # A click is answered by the ring around the selected point; the others need not fade for it.
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.6}},
        customdata=group[["id", "hover"]],
        hovertemplate="%{customdata[1]}<extra></extra>",
        legendgroup=criterion,
        showlegend=False,
        name=escape.html(f"{text.criterion_label(criterion)}, {text.order_label(order)}"),
    )
    c.fig.add_trace(trace)


def _add_points_at_chance(c: _Canvas, rows: pd.DataFrame) -> None:
    """What guessing may have given, baselines among it: in red, so that nobody takes it for a network that works."""
    if rows.empty:
        return
    c.fig.add_scatter(
        **c.at(rows),
        mode="markers",
        marker={"symbol": theme.CHANCE_SYMBOL, "size": _SIZE, "color": theme.ALARM, "line": {"width": 1.8}},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        customdata=rows[["id", "hover"]],
        hovertemplate="%{customdata[1]}<extra></extra>",
        name=NEAR_CHANCE,
        showlegend=False,
    )


def _add_rings(c: _Canvas, rows: pd.DataFrame) -> None:
    for point, size, dash, name in (
        (c.marks.best, 24, "circle-open-dot", "best"),
        (c.marks.selected, 19, "circle-open", "selected"),
    ):
        position = rows[rows["id"] == point]
        if position.empty:
            continue
        c.fig.add_scatter(
            **c.at(position),
            mode="markers",
            marker={"symbol": dash, "size": size, "color": c.ink.line, "line": {"width": 2, "color": c.ink.line}},
            hoverinfo="skip",
            showlegend=False,
            name=name,
        )


def _add_budget(c: _Canvas) -> None:
    line = {"width": 1.2, "dash": "dot", "color": theme.translucent(c.ink.line, 0.6)}
    if c.marks.at_most is not None:
        c.fig.add_vline(x=c.marks.at_most, line=line)
    if c.marks.at_least is not None:
        c.fig.add_hline(y=c.marks.at_least, line=line)


def _lay_out(c: _Canvas, log: bool, note: str) -> None:
    title = escape.html(c.x.title) + (f"<br>{escape.html(note)}" if note else "")
    c.fig.update_layout(
        height=390,
        margin={"l": 0, "r": 8, "t": 30, "b": 0},
        dragmode="zoom",
        hovermode="closest",
        hoverlabel={"align": "left"},
        clickmode="event+select",
        legend=legend.ABOVE | {"itemdoubleclick": "toggleothers"},
        legend2=legend.BELOW,
        xaxis={"title": title, "type": "log" if log else "linear", "tickformat": c.x.tick, "ticksuffix": c.x.suffix},
        yaxis={"title": escape.html(c.y.title), "ticksuffix": c.y.suffix, "nticks": 8},
    )
    if not log:
        c.fig.update_xaxes(rangemode="tozero")
