"""The table beside the chart, with only the settings that differ, and its CSV."""

from typing import Any

import pandas as pd
import streamlit as st

from app import format, text, theme
from app.charts import axes, skyline
from app.explore import controls
from app.tables import points
from app.tables.board_columns import BoardSetting
from engine.storage.records.measurement import Conditions

_PICTURES = 300  # rows; above it the table goes without thumbnails


def show(frame: pd.DataFrame, timing: Conditions | None, on: BoardSetting | None = None) -> None:
    """One row a point, its latency on a host and on a device as chosen; choosing a row selects its point."""
    rows = readable(frame, on)
    conditions = None if timing is None else text.conditions(timing)
    st.dataframe(
        rows,
        hide_index=True,
        placeholder=format.MISSING,
        key="table",
        on_select=_take_row,
        selection_mode="single-row",
        height=min(420, 38 + 35 * len(rows)),
        column_config={
            "point": None,
            "skyline": st.column_config.ImageColumn("skyline", width="medium"),
            "top-1": st.column_config.NumberColumn(format="%.1f %%"),
            "change": st.column_config.NumberColumn(
                format="%+.1f", help="Percentage points from the run's own baseline."
            ),
            "MACs": st.column_config.NumberColumn(format="compact"),
            "parameters": st.column_config.NumberColumn(format="compact"),
            "size": st.column_config.NumberColumn(format="bytes"),
            "kept": st.column_config.NumberColumn(
                format="%.2f×", help="Share of the baseline's MACs, parameters or latency asked for."
            ),
            "latency": st.column_config.NumberColumn("latency p50", format="%.3g ms", help=conditions),
            **_device_columns(on),
        },
        alt="The models in the chart with the settings in which they differ",
    )
    st.session_state["table_ids"] = list(rows["point"])


def readable(frame: pd.DataFrame, on: BoardSetting | None = None) -> pd.DataFrame:
    """The tidy rows as the table shows them."""
    out = pd.DataFrame({"point": frame["id"]})
    for key in points.differing(frame):
        out[points.SETTINGS[key]] = frame[key].map(text.NAMES[key]) if key in text.NAMES else frame[key]
    out["kept"] = frame["keep"]
    out["measured"] = ["baseline" if row["baseline"] else text.measured_when(row) for row in frame.to_dict("records")]
    out["top-1"] = 100 * frame["top1"]
    out["change"] = 100 * (frame["top1"] - frame["base_top1"])
    out["MACs"] = frame["macs"]
    out["parameters"] = frame["params"]
    out["size"] = frame["bytes"]
    out["latency"] = frame["latency"]
    if on is not None:
        for axis in axes.on_device(on.device):
            if frame[axis.column].notna().any():
                out[axis.label] = frame[axis.column]
    if len(frame) <= _PICTURES:
        out["skyline"] = [
            skyline.data_uri(skyline.svg(skyline.bars(widths, removed), theme.criterion_colour(criterion)))
            for widths, removed, criterion in zip(
                frame["widths"], frame["blocks_removed"], frame["criterion"], strict=True
            )
        ]
    return out


def csv(frame: pd.DataFrame, timing: Conditions | None, on: BoardSetting | None = None) -> bytes:
    """The shown points with all their settings and raw values, and the conditions of their latencies."""
    columns = [
        "run_id",
        "point",
        "gallery",
        "group",
        "host",
        *points.SETTINGS,
        "stage",
        "phase",
        "keep",
        "step",
        "final",
    ]
    columns += [*points.METRICS, "flops", "latency", "created"]
    out = frame[columns].rename(columns={"latency": "latency_p50_ms"})
    conditions = None if timing is None else text.conditions(timing)
    out["latency_conditions"] = frame["latency"].notna().map({True: conditions, False: None})
    if on is not None:
        out["device"] = frame["device_ms"].notna().map({True: on.device, False: None})
        out["device_latency_p50_ms"] = frame["device_ms"]
        out["device_energy_mj"] = frame["device_mj"]
        out["device_conditions"] = frame["device_ms"].notna().map({True: on.setting, False: None})
    written: str = out.assign(blocks_removed=frame["blocks_removed"].map(" ".join)).to_csv(index=False)
    return written.encode()


def _device_columns(on: BoardSetting | None) -> dict[str, Any]:
    if on is None:
        return {}
    latency, energy = axes.on_device(on.device)
    return {
        latency.label: st.column_config.NumberColumn(f"p50 on {on.device}", format="%.3g ms", help=on.setting),
        energy.label: st.column_config.NumberColumn(f"energy on {on.device}", format="%.3g mJ", help=on.setting),
    }


def _take_row() -> None:
    rows = st.session_state["table"]["selection"]["rows"]
    if rows:
        controls.choose(st.session_state["table_ids"][rows[0]])
