"""The controls of Explore: filters, axes, budget and the selected point; all of them live in the page's address."""

from dataclasses import dataclass
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from app import escape, text
from app.charts import axes
from app.tables import board_columns, points
from engine.storage.records.measurement import Conditions

# In what unit a budget on x is typed: the unit's words, and how many of the stored unit it is.
_UNITS: dict[str, tuple[str, float]] = {
    "macs": ("M MACs", 1e6),
    "flops": ("M FLOPs", 1e6),
    "params": ("k parameters", 1e3),
    "bytes": ("kB", 1e3),
    "latency": ("ms", 1.0),
    "device_ms": ("ms", 1.0),
    "device_mj": ("mJ", 1.0),
}

_FILTERS = (
    ("Experiment", "exp", "experiment", "All experiments"),
    ("Model", "model", "model", "All models"),
    ("Data", "data", "data_label", "All data"),
    ("Criterion", "criterion", "criterion", "All criteria"),
    ("Order", "order", "order", "All orders"),
)


@dataclass(frozen=True)
class Budget:
    """What was typed, in the unit the chart draws, and the id of the best point within it."""

    at_most: float | None
    at_least: float | None
    best: str | None


def view_link() -> str:
    """The address of what is shown now; a filter with several values stands in it once for each."""
    query = [(key, value) for key in st.query_params for value in st.query_params.get_all(key)]
    return f"{st.context.url or ''}?{urlencode(query)}"


def filter_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The five filters, side by side, and the rows that pass them; an empty filter lets everything pass."""
    keep = pd.Series(True, index=frame.index)
    for label, key, column, placeholder in _FILTERS:
        names = frame[column].map(text.NAMES.get(column, str))
        selection = st.multiselect(
            label, list(dict.fromkeys(names)), key=key, bind="query-params", placeholder=placeholder
        )
        if selection:
            keep &= names.isin(selection)
    return frame[keep]


def select_x_axis(frame: pd.DataFrame) -> tuple[axes.Axis, bool]:
    labels = {axis.label: axis for axis in axes.x_axes(board_columns.boards(frame))}
    wide = len(labels) > len(axes.X_AXES)
    label = st.selectbox("Cost", list(labels), key="x", bind="query-params", width=220 if wide else 150)
    log = st.toggle("Log", key="log", bind="query-params", help="Logarithmic cost axis.")
    return labels[label], log


def select_y_axis(frame: pd.DataFrame) -> axes.Axis:
    """The quality, worded with the domain that it is of where the points have two; the options' words stay the same."""
    labels = {axis.label: axis for axis in axes.y_axes(frame["domains"])}
    return axes.with_domain(
        labels[st.selectbox("Quality", list(labels), key="y", bind="query-params", width=170)], frame["domains"]
    )


def select_host_conditions(frame: pd.DataFrame) -> Conditions | None:
    """Under which conditions a host's latencies are compared; a widget only when there is more than one."""
    options = {text.host_conditions(each): each for each in points.host_conditions(frame)}
    if len(options) < 2:
        return next(iter(options.values()), None)
    return options[st.selectbox("Measured on", list(options), key="device", bind="query-params", width=260)]


def select_board_conditions(frame: pd.DataFrame, x: axes.Axis) -> board_columns.BoardConditions | None:
    """Under which conditions the board of the axis measured; a widget only when there is more than one."""
    if x.board is None:
        return None
    options = {each.label: each for each in board_columns.conditions(frame, x.board)}
    if len(options) < 2:
        return next(iter(options.values()))
    label = f"Measured on {escape.markdown(x.board)} with"
    return options[st.selectbox(label, list(options), key=f"with_{x.board}", bind="query-params", width=300)]


def select_budget(pruned: pd.DataFrame, x: axes.Axis, y: axes.Axis) -> Budget:
    """The budget row, and the best of the pruned models within it."""
    unit, factor = _UNITS[x.column]
    quality = "Quality at most" if y.better == "low" else "Quality at least, %"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        most = st.number_input(
            f"Cost at most, {unit}",
            min_value=0.0,
            value=None,
            key=f"most_{x.key}",
            bind="query-params",
            width=190,
            placeholder="any",
        )
        least = st.number_input(
            quality,
            min_value=0.0,
            value=None,
            key=f"least_{y.column}",
            bind="query-params",
            width=170,
            placeholder="any",
        )
        at_most = None if most is None else most * factor
        best = points.best_within_budget(
            pruned,
            x.column,
            y.column,
            y_better=y.better,
            at_most=at_most,
            at_least=None if least is None else least / y.factor,
        )
        if best is not None:
            row = pruned.set_index("id").loc[best]
            where = f" on {row['data_label']}" if pruned["data"].nunique() > 1 else ""
            st.button(
                f"{escape.markdown(text.title(row) + where)}, {axes.value_label(row[y.column], y)}",
                icon=":material/star:",
                help="The best model within the budget, ringed in the chart. Click to see it.",
                on_click=select,
                args=(best,),
            )
        elif most is not None or least is not None:
            st.badge("no model fits", color="orange", icon=":material/search_off:")
    return Budget(at_most, least, best)


def selected_point(frame: pd.DataFrame, plot_rows: pd.DataFrame) -> str | None:
    """The selected point's id: the one in the address, or on a first visit the best plotted one at half the MACs."""
    point = st.query_params.get("point")
    if point is not None:
        return point if point in set(frame["id"]) else None
    return points.best_at_half_macs(plot_rows)


def select(point: str) -> None:
    st.query_params["point"] = point


def select_clicked() -> None:
    """Remembers the clicked point; the chart loses its selection when it is drawn again."""
    clicked = st.session_state["tradeoff"]["selection"]["points"]
    if clicked and clicked[0].get("customdata"):
        first = clicked[0]["customdata"]
        select(str(first["0"] if isinstance(first, dict) else first[0]))
