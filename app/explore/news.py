"""The notice of new results, while there are jobs that may bring some."""

import streamlit as st

from app.components import job_panel
from app.components.error_boundary import error_boundary
from app.tables import store


def show(token: str) -> None:
    """While runs or timings are active: a button that brings in what they have measured since the page was drawn."""
    if store.active_runs(token) or store.active_timings(token):
        _refresh(_measured(token))


@st.fragment(run_every=job_panel.EVERY)
@error_boundary()
def _refresh(seen: int) -> None:
    new = _measured(store.settled_token()) - seen
    if new > 0:
        label = f"{new} new result" + ("s" if new > 1 else "")
        if st.button(label, icon=":material/refresh:", help="Bring them into the chart."):
            st.rerun()


def _measured(token: str) -> int:
    timed = sum(len(timing["points"]) for timing in store.timings(token) if timing["state"] == "done")
    pruned: int = sum(run["points"] for run in store.runs(token))
    return pruned + timed
