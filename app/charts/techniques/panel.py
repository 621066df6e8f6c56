"""The chart of one technique: its networks' means over seeds beside the untouched network and the front of all."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app import escape, format, text, theme
from app.charts import legend
from app.charts.axes import Axis, change_label, value_label
from app.charts.marks.lines import BAND, FRONT
from app.charts.marks.points import FADED
from app.charts.techniques.scene import Scene, Span

HEIGHT = 240  # px
_KEY_LINE, _KEY_ROOM = 30, 50  # px of the key
_TEMPLATE = "%{customdata}<extra></extra>"
_LONGEST = 24  # characters of a name under the pointer
_SIZE = 10  # px of a mark


def figure(means: pd.DataFrame, title: str, scene: Scene) -> go.Figure:
    """The networks of one technique, rows of `means`: a mark for each mean, with its interval where it has one.

    A line joins the targets of one experiment; what the front beats is paler. Nothing of it is zoomed or dragged, so
    that a finger scrolls the page.
    """
    fig = go.Figure()
    _add_untouched(fig, scene)
    for outline in _lines(means):
        fig.add_trace(outline)
    _add_front(fig, scene)
    for (criterion, order, int8), group in means.groupby(["criterion", "order", "int8"], sort=False, observed=True):
        fig.add_trace(_marks(group, str(criterion), _symbol(str(order), int8=bool(int8)), scene))
    fig.update_layout(
        height=HEIGHT,
        title={"text": escape.html(title), "font": {"size": 14}, "x": 0, "y": 0.98, "yanchor": "top"},
        margin={"l": 0, "r": 8, "t": 30, "b": 0},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        hoverlabel={"align": "left"},
    )
    fig.update_xaxes(**_axis(scene.x, scene.span_x, log=scene.log[0]), tickformat=scene.x.tick, nticks=4)
    fig.update_yaxes(**_axis(scene.y, scene.span_y, log=scene.log[1]), tickformat="~g", nticks=5)
    return fig


def key(means: pd.DataFrame, scene: Scene) -> go.Figure:
    """What the marks of all charts mean, each once, as a cell of its own beside them."""
    fig = go.Figure()
    legend.add_keys(fig, means.assign(baseline=False, at_chance=False), scene.ink)
    if scene.untouched is not None:
        _add_key(fig, "untouched", mode="lines+markers", line=_dashed(scene), marker=_bowtie(scene))
    if len(scene.front) > 1:
        _add_key(fig, f"{FRONT} of all", mode="lines", line=_bold(scene))
    if means["half_width"].notna().any():
        whisker = {"symbol": "line-ns", "size": 14, "line": {"width": 1.5, "color": scene.ink.line}}
        _add_key(fig, BAND, mode="markers", marker=whisker)
    fig.update_layout(
        height=_KEY_ROOM + _KEY_LINE * len(fig.data),
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        dragmode=False,
        legend={"x": 0, "y": 1, "yanchor": "top", "itemclick": False, "itemdoubleclick": False, "itemwidth": 30},
    )
    fig.update_xaxes(visible=False, fixedrange=True)
    fig.update_yaxes(visible=False, fixedrange=True)
    return fig


def describe(means: pd.DataFrame, title: str, scene: Scene) -> str:
    """The chart in one sentence, which says its most accurate network."""
    amount = scene.y.amount
    sign = 1 if amount.better == "high" else -1
    best = means.loc[(sign * means["quality"]).idxmax()]
    count = f"{len(means)} mean" + ("" if len(means) == 1 else "s")
    return (
        f"{title}: {scene.y.label} against {scene.x.label}, {count} over seeds; the best has {amount.label} "
        f"{value_label(best['quality'], amount)} at {scene.x.amount.label} {value_label(best['cost'], scene.x.amount)}."
    )


def hover(row: dict[str, Any], scene: Scene) -> str:
    """What a mark says under the pointer, in four lines: what it is, how good, what it costs, and of which seeds."""
    x, y = scene.x.amount, scene.y.amount
    name = escape.html(text.title(row), _LONGEST)
    change = "" if math.isnan(row["base_quality"]) else f" ({change_label(row['quality'], row['base_quality'], y)})"
    share = "" if not row["base_cost"] > 0 else f" ({format.ratio(row['cost'] / row['base_cost'])})"
    seeds = ", ".join(f"{seed:g}" for seed in row["seeds"])
    return "<br>".join(
        [
            f"<b>{name}</b>, {escape.html(text.order_label(row['order']), _LONGEST)}",
            f"{escape.html(y.label, _LONGEST)} {quality_label(row['quality'], row['quality_half'], y)}{change}",
            f"{escape.html(x.label, _LONGEST)} {value_label(row['cost'], x)}{share}",
            f"{'seed' if len(row['seeds']) == 1 else 'mean of seeds'} {escape.html(seeds, _LONGEST)}",
        ]
    )


def quality_label(value: float, half_width: float, y: Axis) -> str:
    """A mean of stored values with half of its interval, as the axis of amounts words it: `90.1 ± 0.4 %`."""
    digits, unit = (".1f", " %") if y.factor == 100 else (".3f", "")
    spread = "" if math.isnan(half_width) else f" ± {y.factor * half_width:{digits}}"
    return f"{y.factor * value:{digits}}{spread}{unit}"


def _marks(group: pd.DataFrame, criterion: str, symbol: str, scene: Scene) -> go.Scatter:
    colour = theme.criterion_colour(criterion)
    colours = [colour if front else theme.translucent(colour, FADED) for front in group["on_front"]]
    half = group["half_width"]
    return go.Scatter(
        x=group["at_x"].to_numpy(),
        y=group["at_y"].to_numpy(),
        mode="markers",
        marker={"symbol": symbol, "size": _SIZE, "color": colours, "line": {"width": 0.6, "color": theme.EDGE}},
        error_y={
            "type": "data",
            "array": half.fillna(0.0).to_numpy(),
            "visible": bool(half.notna().any()),
            "color": colour,
            "thickness": 1.5,
            "width": 3,
        },
        customdata=np.array([hover(row, scene) for row in group.to_dict("records")], dtype=object),
        hovertemplate=_TEMPLATE,
        name=escape.html(text.criterion_label(criterion)),
    )


def _lines(means: pd.DataFrame) -> Iterator[go.Scatter]:
    """A line for each experiment with more than one target."""
    for _, group in means.groupby(["group", "criterion"], sort=False, observed=True, dropna=False):
        if len(group) > 1:
            colour = theme.translucent(theme.criterion_colour(str(group["criterion"].iloc[0])), 0.65)
            along = group.sort_values("at_x")
            line = {"color": colour, "width": 1.6}
            yield go.Scatter(x=along["at_x"], y=along["at_y"], mode="lines", line=line, hoverinfo="skip")


def _add_untouched(fig: go.Figure, scene: Scene) -> None:
    if scene.untouched is None:
        return
    if scene.untouched.y > 0 or not scene.log[1]:
        fig.add_hline(y=scene.untouched.y, line=_dashed(scene), opacity=0.7)
    fig.add_scatter(
        x=[scene.untouched.x],
        y=[scene.untouched.y],
        mode="markers",
        marker=_bowtie(scene),
        customdata=[scene.untouched.hover],
        hovertemplate=_TEMPLATE,
        name="untouched",
    )


def _add_front(fig: go.Figure, scene: Scene) -> None:
    if len(scene.front) > 1:
        xs, ys = zip(*scene.front, strict=True)
        fig.add_scatter(x=xs, y=ys, mode="lines", line=_bold(scene), hoverinfo="skip", name=FRONT)


def _add_key(fig: go.Figure, name: str, **look: Any) -> None:
    fig.add_scatter(x=[None], y=[None], name=name, hoverinfo="skip", **look)


def _symbol(order: str, *, int8: bool) -> str:
    return theme.INT8_SYMBOL if int8 else theme.ORDER_SYMBOLS.get(order, theme.OTHER_SYMBOL)


def _dashed(scene: Scene) -> dict[str, Any]:
    return {"dash": "dash", "width": 1.2, "color": scene.ink.line}


def _bowtie(scene: Scene) -> dict[str, Any]:
    edge = {"width": 1, "color": scene.ink.paper}
    return {"symbol": theme.BASELINE_SYMBOL, "size": 11, "color": scene.ink.line, "line": edge}


def _bold(scene: Scene) -> dict[str, Any]:
    shape = "hv" if scene.x.better == "low" else "vh"  # what is as good costs no less in between
    return {"color": theme.translucent(scene.ink.line, 0.75), "width": 2.6, "shape": shape}


def _axis(axis: Axis, span: Span, *, log: bool) -> dict[str, Any]:
    ends = [math.log10(end) for end in span] if log else list(span)
    return {
        "title": escape.html(axis.label),
        "type": "log" if log else "linear",
        "range": ends,
        "ticksuffix": axis.suffix,
        "automargin": True,
        "fixedrange": True,
    }
