"""The runs that have ended: a table, and for the selected one its curves and what can be done about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, format, text, theme
from app.components import actions, job_panel, job_table
from app.components.error_boundary import error_boundary
from app.runs import details
from app.tables import points, store
from engine.storage.records.status import RESUMABLE


def show(runs: Sequence[Mapping[str, Any]]) -> None:
    """The table; choosing a row opens that run below it."""
    rows = escape.cells(pd.DataFrame([_row(run) for run in runs]))
    if rows["where"].nunique() < 2:
        rows = rows.drop(columns="where")
    ids = [run["run_id"] for run in runs]
    selected = job_table.show(
        rows,
        ids,
        "run",
        height=min(352, 38 + 35 * len(rows)),
        column_config={
            "baseline": st.column_config.NumberColumn(format="%.1f %%"),
            "best so far": st.column_config.NumberColumn(format="%.1f %%", help="Best top-1 that a target ended with."),
            "created": st.column_config.DatetimeColumn("when", format="distance"),
        },
        alt="Runs that are not active, newest first",
    )
    if selected is not None:
        with st.container(border=True), error_boundary():
            _details(runs[ids.index(selected)])
    else:
        st.caption("Choose a row to see its curves and log, or to resume, repeat or delete it.")


def _row(run: Mapping[str, Any]) -> dict[str, Any]:
    baseline, best = run["baseline_top1"], run["best_top1"]
    readable = details.is_readable(run)
    return {
        "state": theme.STATE_LOOK[run["state"]][0],
        "where": "gallery" if run["gallery"] else "yours",
        "what": details.title(run),
        "targets": text.targets(run) if readable else format.MISSING,
        "baseline": None if baseline is None else 100 * baseline,
        "best so far": None if best is None else 100 * best,
        "created": pd.Timestamp(run["created"], unit="s", tz="UTC"),
    }


def _details(run: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(run)
        st.markdown(f"**{escape.markdown(details.title(run))}**")
    st.caption(escape.markdown(run["run_id"]) + (f" · {run['points']} models measured" if run["points"] else ""))
    if run["error"]:
        st.error(escape.message(run["error"]))
    _actions(run)
    folder = store.run_or_none(run["run_id"])
    if folder is None:
        return
    details.show_events(run, folder)
    job_panel.show_log(folder, ended=True)


def _actions(run: Mapping[str, Any]) -> None:
    run_id = run["run_id"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if run["points"]:
            st.page_link(
                "../pages/explore.py",
                label="Open in Explore",
                icon=":material/scatter_plot:",
                query_params={"exp": points.experiment(run)},
            )
        if run["state"] in RESUMABLE and not run["gallery"]:
            st.button("Resume", icon=":material/play_arrow:", on_click=_resume, args=(run_id,))
        if run["model"]:
            st.button(
                "Run again", icon=":material/replay:", on_click=_repeat, args=(run_id,), help="With the same settings."
            )
        if not run["gallery"] and st.button("Delete", icon=":material/delete:"):
            _confirm_delete(run_id, details.title(run))


@st.dialog("Delete this run?", icon=":material/delete:")
def _confirm_delete(run_id: str, what: str) -> None:
    st.markdown(f"{escape.markdown(what)}  \nIts measurements, weights and log are removed. This cannot be undone.")
    actions.confirm("Delete", _delete, run_id)


def _delete(run_id: str) -> None:
    if actions.run_action(lambda: store.open_store().delete(run_id), "Run deleted"):
        st.query_params.pop("run", None)


def _resume(run_id: str) -> None:
    actions.enqueue(lambda: store.queue().resume(run_id), "Resumed; it goes on from its last finished step")


def _repeat(run_id: str) -> None:
    actions.enqueue(
        lambda: store.queue().submit(store.open_store().run(run_id).spec()), "Submitted again with the same settings"
    )
