"""What can be done about one landscape: resume it where it was stopped, delete it; and what its conditions were."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import escape
from app.components import actions, job_panel, notes
from app.landscape import address, names
from app.tables import landscapes, store
from engine.storage.landscapes.grid import Grid
from engine.storage.records.status import RESUMABLE


def show_state(job: Mapping[str, Any]) -> None:
    """How a landscape ended that is not done, and the button that helps."""
    if job["state"] in ("done", *store.ACTIVE):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(job)
        st.markdown(escape.message(job["error"] or job["message"]), width="stretch")
        if job["state"] in RESUMABLE:
            st.button("Resume", icon=":material/play_arrow:", on_click=_resume, args=(job["run_id"],))


def show_details(job: Mapping[str, Any], grid: Grid | None) -> None:
    """What was decided, the log, and the button that deletes it; folded, below the map."""
    if grid is not None and grid.notes:
        with st.expander("Conditions", icon=":material/info:"):
            notes.show([note[:1].upper() + note[1:] for note in grid.notes])
    if job["gallery"]:
        return
    job_panel.show_log(landscapes.folder_of(job["run_id"]), ended=job["state"] not in store.ACTIVE)
    if job["state"] not in store.ACTIVE and st.button("Delete this landscape", icon=":material/delete:"):
        _confirm_delete(job["run_id"], names.title(job))


@st.dialog("Delete this landscape?", icon=":material/delete:")
def _confirm_delete(job_id: str, what: str) -> None:
    st.markdown(f"{escape.markdown(what)}  \nIts figures and its log are removed. This cannot be undone.")
    actions.confirm("Delete", _delete, job_id)


def _delete(job_id: str) -> None:
    if actions.run_action(lambda: store.open_store().delete(job_id), "Landscape deleted"):
        st.query_params.pop(address.LANDSCAPE, None)


def _resume(job_id: str) -> None:
    actions.enqueue(lambda: store.queue().resume(job_id), "Resumed; it goes on from its last finished cell")
