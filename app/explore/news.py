"""The notice of new results, while there are jobs that may bring some."""

import streamlit as st

from app.components import job_panel
from app.components.error_boundary import error_boundary
from app.tables import store


def show(token: str) -> None:
    """While runs or timings are active: a button that brings in what they have measured since the page was drawn."""
    if store.has_active(token):
        _refresh(store.result_count(token))


@st.fragment(run_every=job_panel.REFRESH_SECONDS)
@error_boundary()
@store.one_token()
def _refresh(shown_count: int) -> None:
    added = store.result_count(store.settled_token()) - shown_count
    label = f"{added} new result{'s' if added > 1 else ''}" if added > 0 else "No new results yet"
    # It is there before there is news, so that the chart below stays where it is.
    if st.button(label, icon=":material/refresh:", help="Bring them into the chart.", disabled=added <= 0):
        st.rerun()
