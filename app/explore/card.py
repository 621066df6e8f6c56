"""The card of one selected model: what it costs and gains beside its baseline, what was cut, and its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, format, text, theme
from app.charts import axes, skyline
from app.compare import selection
from app.components.layer_times import dialog
from app.explore import repeats
from app.explore.controls import View
from app.tables import board_columns, points, store
from app.tables.board_columns import BoardResult
from engine.storage.records import remarks
from engine.storage.records.remarks import NEAR_CHANCE


@dataclass(frozen=True)
class _File:
    suffix: str
    label: str
    icon: str
    mime: str = "application/octet-stream"


_FILES = (
    _File("onnx", "ONNX", ":material/deployed_code:"),
    _File("safetensors", "Weights", ":material/weight:"),
    _File("plan.json", "Plan", ":material/content_cut:", "application/json"),
)
_MOST_NAMED = 100  # blocks


def show_selected(rows: pd.DataFrame, selected: str | None, view: View, hint: str, *, place: str = "chart") -> None:
    """The card of the selected one of the rows, or else `hint`; `place` tells two cards on one page apart."""
    if selected is None:
        st.markdown("**No model selected**")
        st.caption(hint)
        return
    point, note = points.row_with_latency(rows, selected, view.host)
    show(point, note, board_columns.board_result(rows, selected, view.board), repeats.in_words(rows, selected), place)


def show(
    point: Mapping[str, Any],
    latency_note: str | None,
    board_result: BoardResult | None,
    seeds: str,
    place: str,
) -> None:
    """Draws the card of one row of the tidy table; `latency_note` is how its latency was measured.

    `board_result` is what a board measured of it, where one did; `seeds` says how far other seeds bear it out.
    """
    _head(point, seeds)
    is_slow = _metrics(point, latency_note, board_result)
    if is_slow:
        dialog.offer(point, "explore", place)
    bars = skyline.bars(point["widths"], point["blocks_removed"])
    if bars:
        st.plotly_chart(
            skyline.figure(bars, theme.criterion_colour(point["criterion"]), height=84),
            key=f"skyline-{place}-{point['id']}",
            config={"displayModeBar": False},
            alt=skyline.describe(bars),
        )
    _downloads(point, place)
    _links(point, bars, None if is_slow else place)


def _head(point: Mapping[str, Any], seeds: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f"**{escape.markdown(_title(point))}**", width="stretch")
        if point["baseline"]:
            st.badge("baseline", color="gray")
        elif point["int8"]:
            st.badge("INT8", color="blue")
        elif text.is_try(point):
            st.badge("try", color="orange")
        elif point["stage"] == "pruned":
            st.badge("before recovery", color="orange")
        elif point["stage"] == "reconstructed":
            st.badge("reconstructed", color="green")
        if point["at_chance"]:
            st.badge(NEAR_CHANCE, icon=":material/error:", color="red")
    step = "" if pd.isna(point["step"]) else f", {point['phase']} step {point['step']:.0f}"
    step = f", try {point['step']:.0f}" if text.is_try(point) else step
    made = f"{point['model']} on {point['data_label']}, {text.method(point)}{step}, seed {point['seed']}"
    lines = [made, seeds, point["note"] or ""]
    st.caption("  \n".join(escape.markdown(line) for line in lines if line))


def _links(point: Mapping[str, Any], bars: tuple[skyline.Bar, ...], place: str | None) -> None:
    """Where one goes on from here; why it is not faster stands here unless it stands above, with a `place`."""
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        if bars:
            with st.popover("Layers", icon=":material/bar_chart:", type="tertiary"):
                _layers(bars, point["blocks_removed"])
        with st.popover("Details", icon=":material/notes:", type="tertiary"):
            st.markdown("  \n".join(map(escape.markdown, text.details(point))))
        st.page_link(
            "../pages/runs.py", label="Its run", icon=":material/list_alt:", query_params={"run": str(point["run_id"])}
        )
        if not point["baseline"]:
            st.page_link(
                "../pages/compare.py",
                label="Compare",
                icon=":material/compare_arrows:",
                query_params=selection.link([f"{point['run_id']}.0", str(point["id"])]),
            )
        if place is not None:
            dialog.offer(point, "explore", place)
        if store.can_be_timed(point):
            st.page_link(
                "../pages/devices.py",
                label="Time on device",
                icon=":material/timer:",
                query_params={"point": str(point["id"])},
            )


def _title(point: Mapping[str, Any]) -> str:
    if point["baseline"]:
        return "Not pruned"
    return f"{text.criterion_label(point['criterion'])} · {format.ratio(point['keep'])}"


def _metrics(point: Mapping[str, Any], latency_note: str | None, board_result: BoardResult | None) -> bool:
    """The figures; whether it takes longer than its baseline, on this host or on the board."""
    base = not point["baseline"]
    note = None if latency_note is None else escape.markdown(latency_note)
    numbers = [
        *_accuracies(point),
        ("MACs", format.si(point["macs"]), _ratio_delta(point, "macs"), None),
        ("Latency p50", format.milliseconds(point["latency"]), _ratio_delta(point, "latency"), note),
        ("Parameters", format.si(point["params"]), _ratio_delta(point, "params"), None),
        *(() if board_result is None else _board_metrics(board_result)),
    ]
    with st.grid(2, gap=("xsmall", "small"), min_column_width=110):
        for label, value, delta, note in numbers:
            st.metric(label, value, delta if base else None, delta_color="off", delta_arrow="off", help=note)
    slowdowns = _slowdowns(point, board_result)
    for where, ratio in slowdowns:
        reason = escape.message(remarks.reason(point["widths"]))
        st.caption(f":orange[:material/warning: {ratio:.2f}× the baseline's time{where}{reason}]")
    return bool(slowdowns)


def _accuracies(point: Mapping[str, Any]) -> list[tuple[str, str, str | None, str | None]]:
    """What is drawn of a point, and its accuracy on the source beside it where it is of the target."""
    columns = ["val_top1" if text.is_try(point) else "top1"]
    columns += [] if pd.isna(point["source_top1"]) else ["source_top1"]
    worded = [axes.with_domain(axes.Y_AXES[column], [point["domains"]]) for column in columns]
    return [
        (
            escape.markdown(axis.label),
            format.percent(point[axis.column]),
            _share_delta(point, axis.column),
            escape.markdown(axis.title) if point["domains"].target is not None else None,
        )
        for axis in worded
    ]


def _slowdowns(point: Mapping[str, Any], board_result: BoardResult | None) -> list[tuple[str, float]]:
    """Where a point takes longer than its baseline, and how many times as long."""
    host = None if pd.isna(point["base_latency"]) else remarks.times_slower(point["latency"], point["base_latency"])
    board = None if board_result is None else board_result.latency_ratio
    found = [] if host is None else [("", host)]
    if board_result is not None and board is not None and board > remarks.SLOWER:
        found.append((f" on {escape.markdown(board_result.entry.device)}", board))
    return found


def _board_metrics(board_result: BoardResult) -> list[tuple[str, str, str | None, str | None]]:
    """The latency on a board, and the energy where it is known."""
    name = escape.markdown(board_result.entry.device)
    note = "  \n".join(map(escape.markdown, text.describe_measurement(board_result.entry).split("\n")))
    metrics = [
        (f"Latency on {name}", format.milliseconds(board_result.entry.p50_ms), board_result.latency_ratio),
        (f"Energy on {name}", format.millijoules(board_result.entry.energy_mj), board_result.energy_ratio),
    ]
    return [
        (label, value, None if ratio is None else format.ratio(ratio), note)
        for label, value, ratio in metrics
        if value != format.MISSING
    ]


def _share_delta(point: Mapping[str, Any], key: str) -> str | None:
    base = point[f"base_{key}"]
    return None if pd.isna(base) or pd.isna(point[key]) else format.percentage_points(point[key], base)


def _ratio_delta(point: Mapping[str, Any], key: str) -> str | None:
    base = point[f"base_{key}"]
    return None if pd.isna(base) or pd.isna(point[key]) or not base else format.ratio(point[key] / base)


def _downloads(point: Mapping[str, Any], place: str) -> None:
    run = store.run_or_none(point["run_id"])
    paths = {} if run is None else {file: run.path / "models" / f"p{point['point']}.{file.suffix}" for file in _FILES}
    files = {file: path for file, path in paths.items() if path.is_file()}
    if not files:
        again = f" A run with the ratio {point['keep']:g} and no recovery makes the same network."
        st.caption("No files are kept for this point." + again * text.is_try(point))
        return
    with st.container(horizontal=True, gap="xsmall"):
        for file, path in files.items():
            st.download_button(
                file.label,
                path.read_bytes,
                file_name=f"{point['id']}.{file.suffix}",
                mime=file.mime,
                icon=file.icon,
                on_click="ignore",
                key=f"download-{file.suffix}-{place}-{point['id']}",
                help=f"{path.name}, {format.si(path.stat().st_size, 'B')}",
            )


def _layers(bars: tuple[skyline.Bar, ...], removed: list[str]) -> None:
    if removed:
        st.markdown("Removed blocks: " + ", ".join(map(escape.markdown, removed[:_MOST_NAMED])))
    table = pd.DataFrame(
        {
            "layer": [bar.name for bar in bars],
            "channels": [bar.original for bar in bars],
            "kept": [0 if bar.removed else bar.kept for bar in bars],
            "share": [bar.share for bar in bars],
        }
    )
    st.dataframe(
        escape.cells(table),
        hide_index=True,
        height=320,
        width=420,
        column_config={
            "share": st.column_config.ProgressColumn("share kept", min_value=0, max_value=1, format="percent")
        },
        alt="Width of every convolution before and after pruning",
    )
