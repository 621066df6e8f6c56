"""One run on the page: what it is, what can be done about it, what came out, and how it was made."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, format, text
from app.components import actions, job_panel
from app.runs import annotation, details, facts, live
from app.tables import points, store
from engine.errors import RequestError, WorkError
from engine.storage.folders.run import Run
from engine.storage.housekeeping import disk
from engine.storage.records.status import RESUMABLE

_TARGET_COLUMNS: dict[str, Any] = {
    "top1": st.column_config.NumberColumn("top-1", format="%.1f %%"),
    "change": st.column_config.NumberColumn(format="%+.1f", help="Points from the untouched network."),
    "macs": "MACs",
    "macs kept": st.column_config.NumberColumn("of its MACs", format="%.2f×"),
    "parameters kept": st.column_config.NumberColumn("of its parameters", format="%.2f×"),
    "p50": st.column_config.NumberColumn("latency", format="%.3f ms", help="p50 on the run's own computer."),
}


def show(run: Mapping[str, Any]) -> None:
    """Everything about one run; what cannot be read of it is said in its place."""
    folder = store.run_or_none(run["run_id"])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(run)
        st.markdown(f"**{escape.markdown(run['name'] or details.title(run))}**")
        for tag in run["tags"]:
            st.badge(escape.markdown(tag), color="gray")
    st.caption(_caption(run, folder))
    if run["error"]:
        st.error(escape.message(run["error"]))
    if run["note"]:
        st.text(run["note"])
    _actions(run)
    if folder is not None:
        if _can_be_resumed(run):
            _say_where_it_goes_on(folder)
        _show_facts(run, folder)
        if live.has_card(run["run_id"]):
            st.caption("Its curves and its log are in its card above.")
        else:
            details.show_events(run, folder)
            job_panel.show_log(folder, ended=run["state"] not in store.ACTIVE)
        _show_environment(folder)


def resume(run_id: str) -> None:
    actions.enqueue(lambda: store.queue().resume(run_id), "Resumed; it goes on from its last finished step")


def _caption(run: Mapping[str, Any], folder: Run | None) -> str:
    parts = [details.title(run)] if run["name"] else []
    parts += [run["run_id"], f"begun {format.clock(run['created'])}"]
    parts += [f"{run['points']} models measured"] if run["points"] else []
    took = details.duration(run)
    parts += [f"took {took}"] if took else []
    if folder is not None and not run["gallery"]:
        parts.append(f"{format.si(disk.size(folder.path), 'B')} on the disk")
    return " · ".join(map(escape.markdown, parts))


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
        if run["state"] in store.ACTIVE:
            st.button(
                "Cancel",
                icon=":material/cancel:",
                key=f"cancel-selected-{run_id}",
                on_click=job_panel.cancel,
                args=(run_id,),
            )
        if _can_be_resumed(run):
            st.button("Resume", icon=":material/play_arrow:", on_click=resume, args=(run_id,))
        if run["model"]:
            st.button(
                "Run again", icon=":material/replay:", on_click=_repeat, args=(run_id,), help="With the same settings."
            )
            st.page_link(
                "../pages/launch.py", label="Edit and run again", icon=":material/edit:", query_params={"run": run_id}
            )
        if not run["gallery"]:
            annotation.edit(run)
        if not run["gallery"] and run["state"] not in store.ACTIVE:
            actions.delete_button(run_id)


def _can_be_resumed(run: Mapping[str, Any]) -> bool:
    return run["state"] in RESUMABLE and not run["gallery"]


def _say_where_it_goes_on(folder: Run) -> None:
    try:
        st.caption(f":material/play_arrow: {escape.markdown(facts.goes_on_from(folder.points()))}")
    except WorkError as error:
        st.caption(f":material/error: {text.sentence(str(error))}")


def _repeat(run_id: str) -> None:
    actions.enqueue(
        lambda: store.queue().submit(store.open_store().run(run_id).spec()), "Submitted again with the same settings"
    )


def _show_facts(run: Mapping[str, Any], folder: Run) -> None:
    """The targets side by side, and the settings that are not the usual ones."""
    rows = _targets(folder)
    if not rows.empty:
        st.dataframe(
            escape.cells(rows.dropna(axis="columns", how="all")),
            key=f"targets-{folder.id}",
            hide_index=True,
            placeholder=format.MISSING,
            height=min(260, 38 + 35 * len(rows)),
            column_config=_TARGET_COLUMNS,
            alt="What each target came to",
        )
    settings = facts.settings(run) if details.is_readable(run) else pd.DataFrame()
    if not settings.empty:
        count = "1 is not the usual one" if len(settings) == 1 else f"{len(settings)} are not the usual ones"
        with st.expander(f"Settings: {count}", icon=":material/tune:"):
            _draw_pairs(settings, f"settings-{folder.id}", "Settings that are not the usual ones")


def _targets(folder: Run) -> pd.DataFrame:
    try:
        return facts.targets(folder.points())
    except WorkError:
        return pd.DataFrame()  # the index has said it, in the run's error


def _show_environment(folder: Run) -> None:
    expander = st.expander("Environment", icon=":material/memory:", key=f"environment-{folder.id}", on_change="rerun")
    if not expander.open:
        return
    with expander:
        try:
            rows = facts.environment(folder.env())
        except (RequestError, WorkError) as error:
            st.error(escape.message(error))
            return
        if rows.empty:
            st.caption("It has not been started yet.")
        else:
            _draw_pairs(rows, f"environment-rows-{folder.id}", "Versions and hardware of the run")


def _draw_pairs(rows: pd.DataFrame, key: str, alt: str) -> None:
    st.dataframe(escape.cells(rows), key=key, hide_index=True, height=min(320, 38 + 35 * len(rows)), alt=alt)
