"""What the panels of runs and of timings share: how often they refresh, a job's state, a missing worker, the log."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import theme
from app.components import actions
from app.tables import store
from engine.jobs import worker
from engine.storage.folders.job import Job

REFRESH_SECONDS = 2.0
_LOG_LINES = 30


def show_worker_notice() -> None:
    """The notice that no worker runs while jobs wait, with the one button that helps."""
    if store.queue().has_work() and not worker.has_worker(store.open_store()):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":material/warning: No worker is running, so nothing will start.", width="stretch")
            st.button("Start the worker", icon=":material/play_arrow:", on_click=start_worker)


def show_state(job: Mapping[str, Any]) -> None:
    """The badge of a job's state."""
    label, icon, colour = theme.STATE_LOOK[job["state"]]
    st.badge(label, icon=icon, color=colour)


def start_worker() -> None:
    """Sees that someone works on the queue; should that fail, the runs page offers it again."""
    actions.run_action(lambda: worker.start_detached(store.open_store()), "Worker started")


def show_log(job: Job, *, ended: bool) -> None:
    """The last lines of the log, folded."""
    expander = st.expander("Log", icon=":material/notes:", key=f"log-{job.id}", on_change="rerun")
    if expander.open:
        lines = job.log_tail(_LOG_LINES)
        if lines:
            expander.code("\n".join(lines), language=None, height=220)
        else:
            expander.caption("No log was kept." if ended else "Nothing yet.")


def cancel(run_id: str) -> None:
    actions.run_action(lambda: store.queue().cancel(run_id), "Cancelling…")
