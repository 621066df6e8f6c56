"""The head of the runs page and the cards of the runs that wait or are under way, which refresh themselves."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import escape, theme
from app.components import actions, job_panel
from app.components.error_boundary import error_boundary
from app.runs import details
from app.tables import points, store

_WAITING_SHOWN = 8


def show(token: str) -> None:
    """The head of the runs page and the cards of the active runs.

    While there are any it refreshes itself; when one has been queued, ended or deleted, the page is drawn anew once.
    """
    ids = tuple(run["run_id"] for run in store.active_runs(token))
    if ids:
        _live_cards(frozenset(ids))
    else:
        _head(token)
        job_panel.show_worker_notice()


@st.fragment(run_every=job_panel.REFRESH_SECONDS)
@error_boundary()
def _live_cards(ids: frozenset[str]) -> None:
    token = store.settled_token()
    runs = store.active_runs(token)
    if {run["run_id"] for run in runs} != ids:
        st.rerun()
    actions.show_toasts()
    _head(token)
    job_panel.show_worker_notice()
    for run in runs:
        if run["state"] == "running":
            with st.container(border=True), error_boundary():
                _running_card(run)
    waiting = [run for run in runs if run["state"] == "queued"]
    if waiting:
        with st.container(border=True, gap="xsmall"):
            for run in waiting[:_WAITING_SHOWN]:
                _headline(run)
            if len(waiting) > _WAITING_SHOWN:
                st.caption(f"and {len(waiting) - _WAITING_SHOWN} more that wait behind these")


def _head(token: str) -> None:
    """The title and how many runs there are in each state."""
    own_runs = [run for run in store.runs(token) if not run["gallery"]]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("Runs", width="content")
        for state, (label, icon, colour) in theme.STATE_LOOK.items():
            count = sum(run["state"] == state for run in own_runs)
            if count:
                st.badge(f"{count} {label}", icon=icon, color=colour)
        st.space("stretch")
        if st.button("New run", icon=":material/add:"):
            st.switch_page("../pages/launch.py")


def _running_card(run: Mapping[str, Any]) -> None:
    _headline(run)
    st.progress(min(1.0, max(0.0, run["progress"])), text=f"{run['progress']:.0%} · {escape.markdown(run['message'])}")
    folder = store.run_or_none(run["run_id"])
    if folder is None:
        return
    details.show_events(run, folder)
    job_panel.show_log(folder, ended=False)


def _headline(run: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(run)
        st.markdown(f"**{escape.markdown(details.title(run))}**", width="stretch")
        if run["points"]:
            st.page_link(
                "../pages/explore.py",
                label="Explore",
                icon=":material/scatter_plot:",
                query_params={"exp": points.experiment(run)},
            )
        st.button(
            "Cancel",
            icon=":material/cancel:",
            key=f"cancel-{run['run_id']}",
            on_click=job_panel.cancel,
            args=(run["run_id"],),
        )
