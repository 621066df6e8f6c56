"""What boards have measured, on the page: a table, and a chart beside what the host measured."""

from typing import Any

import pandas as pd
import streamlit as st

from app import escape, format, text, theme
from app.charts import host_vs_board
from app.tables import board_columns, points


def show(frame: pd.DataFrame) -> None:
    """The table and the chart; nothing while no board has measured any point."""
    choices = [each for board in board_columns.boards(frame) for each in board_columns.conditions(frame, board)]
    if not choices:
        return
    st.subheader("What devices measured")
    timed_rows = board_columns.timed_on_boards(frame)
    conditions = next(iter(points.host_conditions(timed_rows)), None)
    host = None if conditions is None else text.host_conditions(conditions)
    _table(host_vs_board.rows(points.with_latency(timed_rows, conditions)), host)
    if host is None:
        return
    board = choices[0]
    if len(choices) > 1:
        names = {f"{each.name}: {each.label}": each for each in choices}
        board = names[st.selectbox("Chart shows", list(names), key="chart_on", width=380)]
    rows = board_columns.with_board(points.with_latency(timed_rows, conditions), board)
    st.plotly_chart(
        host_vs_board.figure(rows, board, host, ink=theme.ink()),
        key="compared",
        config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier-devices", "scale": 2}},
        alt=host_vs_board.describe(rows, board),
    )


def _table(rows: pd.DataFrame, host: str | None) -> None:
    table = rows.drop(columns=["id", "throttled"])
    table["top1"] = 100 * table["top1"]
    table["at"] = pd.to_datetime(table["at"], unit="s", utc=True)
    table["warning"] = [_warning(row) for row in rows.to_dict("records")]
    table = escape.cells(table.dropna(axis="columns", how="all"))
    column = st.column_config.NumberColumn

    def ms(label: str, note: str | None = None) -> Any:
        return column(label, format="%.3g ms", help=note)

    st.dataframe(
        table,
        hide_index=True,
        placeholder=format.MISSING,
        height=min(332, 38 + 35 * len(table)),
        column_config={
            "model": st.column_config.TextColumn(width="medium"),
            "network": st.column_config.TextColumn(width="small"),
            "data": st.column_config.TextColumn(width="small"),
            "seed": column(width="small", format="%d"),
            "device": st.column_config.TextColumn(width="small"),
            "setting": st.column_config.TextColumn("measured with", width=280),
            "top1": column("top-1", format="%.1f %%"),
            "host": ms("host p50", host),
            "p50": ms("p50", "On the device, transfers included where its tool reports them."),
            "p90": ms("p90", "From 64 samples on."),
            "p99": ms("p99", "From 662 samples on."),
            "compute": ms("GPU compute"),
            "transfers": ms("transfers", "To the GPU and back."),
            "power": column(format="%.0f mW", help="Mean of the whole board while measuring."),
            "energy": column(format="%.3g mJ", help="For each inference."),
            "n": column(format="localized", help="Samples."),
            "warning": st.column_config.TextColumn("throttled", width="medium"),
            "at": st.column_config.DatetimeColumn("when", format="distance"),
        },
        alt="What devices measured, newest first",
    )


def _warning(row: dict[str, Any]) -> str | None:
    return (row["warning"] or "yes") if row["throttled"] is True else None
