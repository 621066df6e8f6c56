"""The controls of Explore below the chart: axes, what of the runs is shown, conditions of latencies, link and CSV."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from app import escape, text
from app.charts import axes
from app.explore import address, chosen
from app.tables import board_columns, points, selection
from app.tables.techniques import names
from engine.storage.records.measurement import Conditions

_IN_TABLE = "explore_chosen_in_table"  # in the session


@dataclass(frozen=True)
class View:
    """What is drawn, and of what: the axes, the points of each run, and under which conditions latencies count."""

    x: axes.Axis
    y: axes.Axis
    log: bool
    log_y: bool
    against: bool  # what is lost against how many times smaller, each beside its own baseline
    before: bool
    steps: bool
    int8: bool
    by_technique: bool  # a chart for each technique in the place of one of all points
    host: Conditions | None
    board: board_columns.BoardConditions | None

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that are shown, with latencies under these conditions."""
        shown = selection.select(frame, before=self.before, steps=self.steps, int8=self.int8)
        shown = selection.with_baseline_key(shown)
        return board_columns.with_board(points.with_latency(shown, self.host), self.board)

    @property
    def axes(self) -> tuple[axes.Axis, axes.Axis]:
        """The axes of the chart: the quantities, or what they are against the baseline's."""
        return axes.relative(self.x, self.y) if self.against else (self.x, self.y)

    @property
    def note(self) -> str:
        """How the cost was measured, where it is a time."""
        if self.board is not None:
            return self.board.label
        return text.host_conditions(self.host) if self.host and self.x.column == "latency" else ""


def show(frame: pd.DataFrame) -> View:
    """The row of controls for these rows; what there is nothing to choose of is not drawn."""
    x = _x_axis(frame)
    log = st.toggle("Log", key="log", bind="query-params", help="Logarithmic cost axis.")
    y = _y_axis(frame)
    log_y = st.toggle("Log quality", key="log_y", bind="query-params", help="Logarithmic quality axis.")
    against = st.toggle(
        "Against baseline",
        key="against",
        bind="query-params",
        help="What is lost, against how many times smaller or faster it is, each model beside its own baseline.",
    )
    before = st.toggle("Before recovery", key="before", bind="query-params", help="Hollow: before its recovery.")
    steps = st.toggle(
        "All steps",
        key="steps",
        bind="query-params",
        help="Also what was measured between phases, and after each step of an iterative one.",
    )
    int8 = bool(frame["int8"].any()) and st.toggle("INT8", True, key="int8", bind="query-params")
    by_technique = names.are_several(frame) and st.toggle(
        "By technique",
        key="by_technique",
        bind="query-params",
        help="Pruned, distilled, in 8 bit, at adaptive rates, by an ensemble: side by side, over their seeds.",
    )
    return View(x, y, log, log_y, against, before, steps, int8, by_technique, _host(frame), _board(frame, x))


def _x_axis(frame: pd.DataFrame) -> axes.Axis:
    labels = {axis.label: axis for axis in axes.x_axes(board_columns.boards(frame))}
    wide = len(labels) > len(axes.X_AXES)
    return labels[address.selectbox("Cost", list(labels), "x", width=220 if wide else 140)]


def _y_axis(frame: pd.DataFrame) -> axes.Axis:
    """The quality, worded with the domain that it is of where the points have two; the options' words stay the same."""
    domains = frame["domains"].unique()
    labels = {axis.label: axis for axis in axes.y_axes(domains)}
    return axes.with_domain(labels[address.selectbox("Quality", list(labels), "y", width=170)], domains)


def _host(frame: pd.DataFrame) -> Conditions | None:
    """Under which conditions a host's latencies are compared; a widget only when there is more than one."""
    options = {text.host_conditions(each): each for each in points.host_conditions(frame)}
    if len(options) < 2:
        return next(iter(options.values()), None)
    return options[st.selectbox("Measured on", list(options), key="device", bind="query-params", width=260)]


def _board(frame: pd.DataFrame, x: axes.Axis) -> board_columns.BoardConditions | None:
    """Under which conditions the board of the axis measured; a widget only when there is more than one."""
    if x.board is None:
        return None
    options = {each.label: each for each in board_columns.conditions(frame, x.board)}
    if len(options) < 2:
        return next(iter(options.values()))
    label = f"Measured on {escape.markdown(x.board)} with"
    return options[st.selectbox(label, list(options), key=f"with_{x.board}", bind="query-params", width=300)]


def show_exports(csv: Callable[[], bytes]) -> None:
    """The link to this view, and its rows as a file, which is made when it is asked for."""
    with st.popover("Link", icon=":material/link:"):
        st.caption("Opens this view: filters, axes, budget and the selected model.")
        st.code(view_link(), language=None, wrap_lines=True)
    st.download_button(
        "CSV", csv, file_name="espalier-points.csv", mime="text/csv", icon=":material/download:", on_click="ignore"
    )


def view_link() -> str:
    """The address of what is shown now; a filter with several values stands in it once for each."""
    query = [(key, value) for key in st.query_params for value in st.query_params.get_all(key)]
    return f"{st.context.url or ''}?{urlencode(query)}"


def selected_point(frame: pd.DataFrame, best: str | None) -> str | None:
    """The selected point's id: the one in the address where it is shown, or the best one where it names none."""
    asked = address.values("point")
    if not asked:
        return best
    return asked[-1] if (frame["id"].to_numpy() == asked[-1]).any() else None


def select(point: str) -> None:
    """Selects a point; for callbacks."""
    st.session_state[_IN_TABLE] = False
    address.write({"point": [point]})


def select_clicked() -> None:
    """Remembers the clicked point; several, within a box or a lasso, are chosen to be compared.

    The chart loses its selection when it is drawn again.
    """
    clicked = [_clicked_id(point) for point in st.session_state["tradeoff"]["selection"]["points"]]
    points = list(dict.fromkeys(point for point in clicked if point is not None))
    if len(points) > 1:
        chosen.remember(points)
    if points:
        select(points[0])


def _clicked_id(point: Mapping[str, Any]) -> str | None:
    """None for what is no measured point, as the ring around one."""
    data = point.get("customdata")
    return str(data) if data else None


def select_in_table(point: str) -> None:
    """Selects a point where its card is to stand beside the table; for callbacks."""
    address.write({"point": [point]})
    st.session_state[_IN_TABLE] = True


def is_chosen_in_table() -> bool:
    """Whether the selected point was chosen in the table."""
    return bool(st.session_state.get(_IN_TABLE))
