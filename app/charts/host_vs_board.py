"""What boards measured beside what this host did: rows for a table, and a chart. Pure functions."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from app import escape, text, theme
from app.charts import axes, legend
from app.charts.marks import hover
from app.tables.board_columns import BoardConditions, board_measurements
from engine.storage.records.measurement import Measurement

_SIZE = 11  # px
_NOT_PRUNED = "not pruned"


def rows(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each timing of a point on a board, the newest first; `frame` as `points.with_latency` makes it.

    Latencies in ms, power in mW, energy in mJ for each inference; `warning` says why a board slowed itself down. The
    network, its data and its seed are there where they differ.
    """
    pairs = [(row, entry) for row in frame.to_dict("records") for entry in board_measurements(row["latencies"])]
    if not pairs:
        return pd.DataFrame()
    table = pd.DataFrame([_row(row, entry) for row, entry in pairs])
    table = table.sort_values("at", ascending=False, kind="stable", ignore_index=True)
    return table.drop(columns=[key for key in ("network", "data", "seed") if table[key].nunique() < 2])


def figure(frame: pd.DataFrame, board: BoardConditions, host: str, *, ink: theme.Ink) -> go.Figure:
    """The latency on a board against that on the host, in the symbols of Explore, and the line of proportion.

    `frame` as `board_columns.with_board` makes it for `board`; `host` says how the host measured. A point below the
    dashed line gains more on the board than the host would have it.
    """
    points = frame.dropna(subset=["latency", "device_ms"])
    y, _ = axes.board_axes(board.name)
    points = points.assign(hover=hover.texts(points, y, axes.Y_AXES["top1"], beside=axes.X_AXES["latency"]))
    fig = go.Figure()
    _add_proportion(fig, points, ink)
    pruned = points[~points["baseline"]]
    _add(fig, points[points["baseline"]], theme.BASELINE_SYMBOL, ink.line, _NOT_PRUNED)
    for (criterion, order), group in pruned.groupby(["criterion", "order"], sort=False):
        name = escape.html(f"{text.criterion_label(str(criterion))}, {text.order_label(str(order))}")
        symbol = theme.ORDER_SYMBOLS.get(str(order), theme.OTHER_SYMBOL)
        _add(fig, group, symbol, theme.criterion_colour(str(criterion)), name)
    legend.add_keys(fig, points, ink)
    fig.update_layout(
        height=360,
        margin={"l": 0, "r": 8, "t": 30, "b": 0},
        hoverlabel={"align": "left"},
        legend=legend.BELOW,
        xaxis={"title": f"latency p50 on the host<br>{escape.html(host)}", "ticksuffix": " ms", "rangemode": "tozero"},
        yaxis={"title": escape.html(y.title), "ticksuffix": " ms", "rangemode": "tozero", "nticks": 7},
    )
    return fig


def describe(frame: pd.DataFrame, board: BoardConditions) -> str:
    """The chart in one sentence."""
    ratios = _ratios(frame)
    if ratios.empty:
        return f"No model was timed both on {board.name} and on the host."
    least, middle, most = (f"{value:.3g}" for value in (ratios.min(), ratios.median(), ratios.max()))
    count = f"{len(ratios)} model" + ("s" if len(ratios) != 1 else "")
    sentence = f"Latency on {board.name} against latency on the host for {count}: it takes {middle} times as long"
    return f"{sentence}, from {least} to {most}." if len(ratios) > 1 else f"{sentence}."


def _row(row: dict[str, Any], entry: Measurement) -> dict[str, Any]:
    return {
        "id": row["id"],
        "model": "Not pruned" if row["baseline"] else f"{text.title(row)}, {text.method(row)}",
        "network": row["model"],
        "data": row["data_label"],
        "seed": row["seed"],
        "device": entry.device,
        "setting": text.board_conditions(entry.conditions),
        "top1": row["top1"],
        "host": row["latency"],
        "p50": entry.p50_ms,
        "p90": entry.p90_ms,
        "p99": entry.p99_ms,
        "compute": entry.gpu_p50_ms,
        "transfers": entry.transfer_ms,
        "power": entry.power_mw,
        "energy": entry.energy_mj,
        "n": entry.n,
        "throttled": entry.throttled,
        "warning": entry.why_throttled,
        "at": float(entry.at or 0),
    }


def _ratios(frame: pd.DataFrame) -> pd.Series:
    points = frame.dropna(subset=["latency", "device_ms"])
    return points["device_ms"] / points["latency"]


def _add_proportion(fig: go.Figure, points: pd.DataFrame, ink: theme.Ink) -> None:
    """The dashed line on which a model would lie if the board were slower (or faster) by the same factor for all."""
    if points.empty:
        return
    factor, end = float(_ratios(points).median()), float(points["latency"].max()) * 1.05
    fig.add_scatter(
        x=[0, end],
        y=[0, factor * end],
        mode="lines",
        line={"dash": "dash", "width": 1.2, "color": ink.line},
        opacity=0.7,
        hoverinfo="skip",
        name=f"{factor:.3g}× the host",
    )


def _add(fig: go.Figure, group: pd.DataFrame, symbol: str, colour: str, name: str) -> None:
    if group.empty:
        return
    hollow = group["stage"].isin(theme.STAGE_MARKS)
    fig.add_scatter(
        x=group["latency"],
        y=group["device_ms"],
        mode="markers",
        marker={
            "symbol": [symbol + theme.STAGE_MARKS.get(stage, "") for stage in group["stage"]],
            "size": _SIZE,
            "color": colour,
            "line": {"width": 0.8, "color": [colour if h else theme.EDGE for h in hollow]},
        },
        hovertext=group["hover"],
        hovertemplate=hover.TEMPLATE,
        legendgroup=None if name == _NOT_PRUNED else str(group["criterion"].iloc[0]),
        showlegend=name == _NOT_PRUNED,
        name=name,
    )
