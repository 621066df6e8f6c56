"""The notice of new results, while there are jobs that may bring some."""

import streamlit as st

from app.components import job_panel
from app.components.error_boundary import error_boundary
from app.tables import store


def show(token: str) -> None:
    """While runs or timings are active: a button that brings in what they have measured since the page was drawn."""
    if store.active_runs(token) or store.active_timings(token):
        _refresh(_result_count(token))


@st.fragment(run_every=job_panel.REFRESH_SECONDS)
@error_boundary()
def _refresh(shown_count: int) -> None:
    added = _result_count(store.settled_token()) - shown_count
    label = f"{added} new result{'s' if added > 1 else ''}" if added > 0 else "No new results yet"
    # It is there before there is news, so that the chart below stays where it is.
    if st.button(label, icon=":material/refresh:", help="Bring them into the chart.", disabled=added <= 0):
        st.rerun()


def _result_count(token: str) -> int:
    timing_points = sum(len(timing["points"]) for timing in store.timings(token) if timing["state"] == "done")
    run_points: int = sum(run["points"] for run in store.runs(token))
    return run_points + timing_points
