"""The timings that have ended: a table, and for the selected one what can be done about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, format, text, theme
from app.components import actions, job_panel, job_table
from app.components.error_boundary import error_boundary
from app.devices import timing_form, timing_live
from app.tables import store
from engine.storage.records.status import RESUMABLE


def show(timings: Sequence[Mapping[str, Any]], frame: pd.DataFrame) -> None:
    """The table; choosing a row opens that timing below it."""
    rows = escape.cells(pd.DataFrame([_row(timing, frame) for timing in timings]))
    ids = [timing["job_id"] for timing in timings]
    selected = job_table.show(
        rows.dropna(axis="columns", how="all"),
        ids,
        "timing",
        height=min(248, 38 + 35 * len(rows)),
        column_config={
            "state": st.column_config.TextColumn(width="small"),
            "device": st.column_config.TextColumn(width="small"),
            "models": st.column_config.TextColumn(width="large"),
            "precision": st.column_config.TextColumn(width="small"),
            "when": st.column_config.DatetimeColumn(format="distance"),
            "took": st.column_config.TextColumn(width="small"),
            "what went wrong": st.column_config.TextColumn(width="large"),
        },
        alt="Timings that have ended, newest first",
    )
    if selected is not None:
        with st.container(border=True), error_boundary():
            _details(timings[ids.index(selected)], frame)
    else:
        st.caption("Choose a row to see its log, to try it again or to delete it.")


def _row(timing: Mapping[str, Any], frame: pd.DataFrame) -> dict[str, Any]:
    has_duration = timing["started"] and timing["finished"]
    return {
        "state": theme.STATE_LOOK[timing["state"]][0],
        "device": timing["device"],
        "models": ", ".join(timing_form.titles(frame, timing_live.ids(timing)).values()) or timing["job_id"],
        "precision": timing["precision"] and str(timing["precision"]).upper(),
        "when": pd.Timestamp(timing["created"], unit="s", tz="UTC"),
        "took": format.minutes(timing["finished"] - timing["started"]) if has_duration else None,
        "what went wrong": timing["error"] and escape.plain(timing["error"], escape.LONGEST_SENTENCE),
    }


def _details(timing: Mapping[str, Any], frame: pd.DataFrame) -> None:
    readable = bool(timing["points"])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(timing)
        st.markdown(f"**{escape.markdown(timing_live.title(timing) if readable else timing['job_id'])}**")
    st.caption(timing["job_id"])
    if timing["error"]:
        st.error(text.sentence(timing["error"], timing["device"]))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if timing["state"] in RESUMABLE and readable:
            st.button("Try again", icon=":material/replay:", on_click=_resume, args=(timing["job_id"],))
        if st.button("Delete", icon=":material/delete:"):
            _confirm_delete(timing["job_id"])
    folder = timing_live.folder_or_none(timing["job_id"])
    if folder is not None:
        timing_live.show_turns(folder, timing_form.titles(frame, timing_live.ids(timing)))
        job_panel.show_log(folder, ended=True)


@st.dialog("Delete this timing?", icon=":material/delete:")
def _confirm_delete(job_id: str) -> None:
    st.markdown("Its log and raw samples are removed. What it measured stays with the models.")
    actions.confirm("Delete", _delete, job_id)


def _delete(job_id: str) -> None:
    if actions.run_action(lambda: store.open_store().delete(job_id), "Timing deleted"):
        st.query_params.pop("timing", None)


def _resume(job_id: str) -> None:
    if actions.enqueue(lambda: store.queue().resume(job_id), "Queued again"):
        st.query_params.pop("timing", None)
