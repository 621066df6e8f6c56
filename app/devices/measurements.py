"""What devices have measured, on the page: a table, and a chart beside what the host measured."""

from typing import Any

import pandas as pd
import streamlit as st

from app import format, text, theme
from app.charts import host_vs_board
from app.tables import board_columns, points


def show(frame: pd.DataFrame) -> None:
    """The table and the chart; nothing while no device has measured any point."""
    known = [each for device in board_columns.devices(frame) for each in board_columns.settings(frame, device)]
    if not known:
        return
    st.subheader("What devices measured")
    timed = frame[[bool(board_columns.of_devices(entries)) for entries in frame["latencies"]]]
    conditions = next(iter(points.timings(timed)), None)
    host = None if conditions is None else text.conditions(conditions)
    _table(host_vs_board.rows(points.with_latency(timed, conditions)), host)
    if host is None:
        return
    on = known[0]
    if len(known) > 1:
        names = {f"{one.device}: {one.setting}": one for one in known}
        on = names[st.selectbox("Chart shows", list(names), key="chart_on", width=380)]
    shown = board_columns.with_device(points.with_latency(timed, conditions), on)
    st.plotly_chart(
        host_vs_board.figure(shown, on, host, ink=theme.ink()),
        key="compared",
        config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier-devices", "scale": 2}},
        alt=host_vs_board.describe(shown, on),
    )


def _table(rows: pd.DataFrame, host: str | None) -> None:
    shown = rows.drop(columns=["id", "throttled"])
    shown["top1"] = 100 * shown["top1"]
    shown["at"] = pd.to_datetime(shown["at"], unit="s", utc=True)
    shown["warning"] = [_warning(row) for row in rows.to_dict("records")]
    shown = shown.dropna(axis="columns", how="all")
    column = st.column_config.NumberColumn

    def ms(label: str, note: str | None = None) -> Any:
        return column(label, format="%.3g ms", help=note)

    st.dataframe(
        shown,
        hide_index=True,
        placeholder=format.MISSING,
        height=min(332, 38 + 35 * len(shown)),
        column_config={
            "model": st.column_config.TextColumn(width="medium"),
            "network": st.column_config.TextColumn(width="small"),
            "data": st.column_config.TextColumn(width="small"),
            "seed": column(width="small", format="%d"),
            "device": st.column_config.TextColumn(width="small"),
            "setting": st.column_config.TextColumn("measured with", width=280),
            "top1": column("top-1", format="%.1f %%"),
            "host": ms("host p50", host),
            "p50": ms("p50", "BoardSetting the device, transfers included where its tool reports them."),
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
