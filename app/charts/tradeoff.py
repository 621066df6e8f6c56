"""The trade-off chart as pure functions: a table of points in, a drawing out. Nothing here touches the page."""

import textwrap

import pandas as pd

from app import escape, text, theme
from app.charts import legend
from app.charts.axes import Axis, change_label, value_label
from app.charts.drawing import Drawing
from app.charts.marks import baselines, hover, lines, thinning
from app.charts.marks import points as dots
from app.charts.marks.canvas import Canvas, Marks, place, positions, shown
from app.charts.marks.points import FADED, RING
from engine.storage.records.remarks import NEAR_CHANCE

__all__ = ["FADED", "RING", "Marks", "describe", "figure", "positions", "shown"]

_HEIGHT = 390  # px
_NO_MARKS = Marks()
_LONGEST_NOTE = 44  # characters of a line under the axis: what a phone has room for
_LOG_TICKS = 3  # at most of a decade and more; Plotly has half as many again in less than one, and they do not touch


def figure(
    points: pd.DataFrame,
    x: Axis,
    y: Axis,
    *,
    ink: theme.Ink,
    log: bool = False,
    log_y: bool = False,
    marks: Marks = _NO_MARKS,
    note: str = "",
    height: int = _HEIGHT,
) -> Drawing:
    """Accuracy against cost: one symbol per model, one line per experiment, its baseline and the Pareto front.

    `points` has the columns of `points.tidy`; rows without a value on either axis are left out, and of thousands that
    lie on one another all but one. `note` is added to
    the title of the x axis (the conditions of a latency). The figure is the same whichever point is selected: a page
    that draws it anew loses the user's zoom.
    """
    placed = place(points, x, y)
    every = shown(placed, marks.hidden)
    every = every.assign(on_front=every["id"].isin(marks.front))
    rows = thinning.thin(every, every["on_front"].to_numpy(), log=(log, log_y))
    rows = rows.assign(hover=hover.texts(rows, x, y))
    c = Canvas(Drawing(), x, y, ink, marks, (log, log_y), steps_back=not rows["gallery"].all())
    sound = rows[~rows["at_chance"]]
    baselines.add(c, sound[sound["baseline"]])
    lines.add_trajectories(c, every)
    lines.add_curves(c, every)
    lines.add_front(c, every)
    dots.add_points(c, sound[~sound["baseline"]])
    dots.add_points_at_chance(c, rows[rows["at_chance"]])
    dots.add_rings(c, every)
    dots.add_budget(c)
    legend.add_keys(c.fig, placed, ink, marks.hidden)
    if len(rows) < len(every):
        note = ", ".join(filter(None, [note, f"{len(rows):,} of {len(every):,} drawn: others lie under them"]))
    _lay_out(c, every, note, height)
    return c.fig


def describe(points: pd.DataFrame, x: Axis, y: Axis, best: str | None) -> str:
    """The chart in one sentence: what is drawn, and the model that the budget, or else half the cost, favours."""
    rows = place(points, x, y)
    sentence = f"{y.label} against {x.label} for {len(rows)} model" + ("" if len(rows) == 1 else "s")
    if rows["at_chance"].any():
        sentence += f", {rows['at_chance'].sum()} of them {NEAR_CHANCE}"
    if best is None or best not in set(rows["id"]):
        return sentence + _best_at_half(rows, x.amount, y.amount) + "."
    row = rows.set_index("id").loc[best]
    return (
        f"{sentence}; the best within the budget is {text.criterion_label(row['criterion'])}, "
        f"{text.method(row)}{', INT8' if row['int8'] else ''}, with "
        f"{y.amount.label} {value_label(row[y.column], y.amount)} at "
        f"{x.amount.label} {value_label(row[x.column], x.amount)}."
    )


def _best_at_half(rows: pd.DataFrame, x: Axis, y: Axis) -> str:
    """What the best model of half the cost has and loses: of the network that most of the models were made of."""
    pruned = rows[~rows["baseline"] & ~rows["at_chance"]]
    if pruned.empty:
        return ""
    pruned = pruned[pruned["baseline_key"] == pruned["baseline_key"].mode().iloc[0]]
    small = pruned[pruned[x.column] <= 0.5 * pruned[f"base_{x.column}"]]
    if small.empty:
        return f"; none of {pruned['model'].iloc[0]} has at most half the {x.noun}"
    place_of_best = small[y.column].idxmax() if y.better == "high" else small[y.column].idxmin()
    value, base = small.loc[place_of_best, [y.column, f"base_{y.column}"]]
    change = "" if pd.isna(base) else f", {change_label(value, base, y)} from its baseline"
    return (
        f"; at half the {x.noun} of {pruned['model'].iloc[0]} on {pruned['data_label'].iloc[0]} "
        f"the best has {y.label} {value_label(value, y)}{change}"
    )


def _lay_out(c: Canvas, rows: pd.DataFrame, note: str, height: int) -> None:
    log, log_y = c.log
    along_x = {**_scale(c.x, rows["at_x"], note, log=log), "tickformat": c.x.tick}
    if log:
        along_x["nticks"] = _LOG_TICKS
    elif c.x.of is None:
        along_x["rangemode"] = "tozero"
    along_y = {**_scale(c.y, rows["at_y"], "", log=log_y), "tickformat": "~g", "nticks": _LOG_TICKS if log_y else 8}
    c.fig.lay_out(
        height=height,
        margin={"l": 0, "r": 8, "t": 30, "b": 0},
        dragmode="zoom",
        hovermode="closest",
        hoverlabel={"align": "left"},
        clickmode="event+select",
        legend=legend.BELOW,
        uirevision=f"{c.x.key} {log} {c.y.key} {log_y}",  # a zoom on these axes is one on no others
        xaxis=along_x,
        yaxis=along_y,
    )


def _scale(axis: Axis, at: pd.Series, note: str, *, log: bool) -> dict[str, object]:
    """An axis's type and title, which says how many points a logarithmic one has no place for."""
    left_out = int((at <= 0).sum()) if log else 0
    if left_out:
        what = "1 model at 0 or below is" if left_out == 1 else f"{left_out} models at 0 or below are"
        note = ", ".join(filter(None, [note, f"{what} not drawn"]))
    title = "<br>".join(map(escape.html, [axis.title, *textwrap.wrap(note, _LONGEST_NOTE)]))
    return {
        "title": {"text": title},
        "type": "log" if log else "linear",
        "ticksuffix": axis.suffix,
        "automargin": True,
        "ticklabeloverflow": "allow",
    }
