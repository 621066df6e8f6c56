"""The timings that wait or are under way: their cards, which refresh themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import format, text, theme
from app.components import actions, job_panel
from app.components.error_boundary import error_boundary
from app.devices import timing_form
from app.tables import store
from engine.errors import RequestError
from engine.storage.job_folder import Timing
from engine.storage.records.event import TurnEvent


def board(token: str) -> None:
    """A card for each; when one has begun, ended or gone, the page is drawn anew once."""
    now = store.active_timings(token)
    if now:
        _live_board(_which(now))


def what(timing: Mapping[str, Any]) -> str:
    """A timing in a few words."""
    count = len(timing["points"])
    models = f"{count} model" + ("s" if count != 1 else "")
    return f"{models} on {timing['device']}, {str(timing['precision']).upper()}"


def ids(timing: Mapping[str, Any]) -> list[str]:
    """The ids of a timing's points, as `app.tables.points.tidy` has them."""
    return [f"{point['run']}.{point['point']}" for point in timing["points"]]


@st.fragment(run_every=job_panel.EVERY)
@error_boundary()
def _live_board(drawn: frozenset[tuple[str, str]]) -> None:
    token = store.settled_token()
    now = store.active_timings(token)
    if _which(now) != drawn:
        st.rerun()
    actions.show_toasts()
    job_panel.worker_notice(now)
    for timing in now:
        with st.container(border=True), error_boundary():
            _card(timing, token)


def _which(timings: Sequence[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    return frozenset((timing["job_id"], timing["state"]) for timing in timings)


def _card(timing: Mapping[str, Any], token: str) -> None:
    job_id = timing["job_id"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label, icon, colour = theme.STATE_LOOK[timing["state"]]
        st.badge(label, icon=icon, color=colour)
        st.markdown(f"**{what(timing)}**", width="stretch")
        st.button("Cancel", icon=":material/cancel:", key=f"cancel-{job_id}", on_click=job_panel.cancel, args=(job_id,))
    titles = timing_form.titles(store.points(token), ids(timing))
    if timing["state"] != "running":
        st.caption(", ".join(titles.values()))
        return
    message = text.plain(_in_words(timing["message"], titles))
    st.progress(min(1.0, max(0.0, timing["progress"])), text=f"{timing['progress']:.0%} · {message}")
    folder = folder_or_none(job_id)
    if folder is None:
        return
    turns(folder, titles)
    job_panel.log(folder, ended=False)


def _in_words(message: str, titles: Mapping[str, str]) -> str:
    """A message with the titles of its points in place of their ids; a longer id may begin with a shorter one."""
    for point in sorted(titles, key=len, reverse=True):
        message = message.replace(point, titles[point])
    return message


def folder_or_none(job_id: str) -> Timing | None:
    """A timing's folder, or None when it is not there (any more)."""
    try:
        return store.open_store().timing(job_id)
    except RequestError:
        return None


def turns(folder: Timing, titles: Mapping[str, str]) -> None:
    """What the turns so far have brought, a line for each model."""
    taken: dict[str, list[float]] = {}
    for turn in folder.events(TurnEvent):
        taken.setdefault(turn.model, []).append(turn.p50_ms)
    lines = [
        f"{titles.get(model, model)}: p50 " + ", ".join(format.milliseconds(value) for value in values)
        for model, values in taken.items()
    ]
    if lines:
        st.caption("  \n".join(lines))
