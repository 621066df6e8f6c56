"""The landscapes that wait or are under way: their cards, which refresh themselves and leave the rest of the page."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import escape, format
from app.components import actions, job_panel
from app.components.error_boundary import error_boundary
from app.landscape import address, names
from app.tables import landscapes, store
from engine.errors import RequestError, WorkError
from engine.storage.landscapes.grid import Grid

_States = frozenset[tuple[str, str, int]]


def show(token: str) -> None:
    """A card for each; when one has begun or ended, or the one that is shown has more rows, the page is drawn anew."""
    jobs, shown = landscapes.active(landscapes.landscapes(token)), st.query_params.get(address.LANDSCAPE)
    if jobs:
        _live_cards(_states(jobs, shown), shown)


@st.fragment(run_every=job_panel.REFRESH_SECONDS)
@error_boundary()
@store.one_token()
def _live_cards(states: _States, shown: str | None) -> None:
    jobs = landscapes.active(landscapes.landscapes(store.settled_token()))
    if _states(jobs, shown) != states:
        st.rerun()
    actions.show_toasts()
    job_panel.show_worker_notice()
    for job in jobs:
        with st.container(border=True, gap="xsmall"), error_boundary():
            _card(job, shown)


def _states(jobs: Sequence[Mapping[str, Any]], shown: str | None) -> _States:
    return frozenset(
        (job["run_id"], job["state"], _rows(job["run_id"]) if job["run_id"] == shown else 0) for job in jobs
    )


def _rows(job_id: str) -> int:
    """How many rows of a map are there to be drawn, the one that has begun among the first."""
    try:
        grid = landscapes.grid(job_id)
    except (RequestError, WorkError):  # said where the map would be
        return 0
    return 0 if grid is None or not grid.cells else 1 + len(grid.cells) // len(grid.widths)


def _card(job: Mapping[str, Any], shown: str | None) -> None:
    job_id = str(job["run_id"])
    grid = landscapes.grid(job_id)
    has_cells = grid is not None and bool(grid.cells)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(job)
        st.markdown(f"**{escape.markdown(names.title(job))}**", width="stretch")
        label = "Show the new cells" if shown == job_id else "Show"
        can_show = shown != job_id or has_cells
        if can_show and st.button(label, icon=":material/grid_on:", key=f"show-{job_id}"):
            st.query_params[address.LANDSCAPE] = job_id
            st.rerun()
        st.button("Cancel", icon=":material/cancel:", key=f"cancel-{job_id}", on_click=job_panel.cancel, args=(job_id,))
    if job["state"] != "running":
        return
    st.progress(min(1.0, max(0.0, job["progress"])), text=progress(job, grid))


def progress(job: Mapping[str, Any], grid: Grid | None) -> str:
    """What is going on, how long it has taken, and how long the rest will take as its cells have so far.

    The first cell says nothing of that: it is the untouched network's.
    """
    parts = [f"{job['progress']:.0%}", escape.markdown(job["message"])]
    if job["started"]:
        parts.append(f"{format.minutes(max(0.0, time.time() - job['started']))} so far")
    if grid is not None and len(grid.cells) > 1:
        left = len(grid.depths) * len(grid.widths) - len(grid.cells)
        seconds = sum(cell.seconds for cell in grid.cells[1:]) / (len(grid.cells) - 1) * left
        parts.append(f"about {format.minutes(seconds)} left")
    return " · ".join(parts)
