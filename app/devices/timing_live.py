"""The timings that wait or are under way: their cards, which refresh themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import escape, format
from app.components import actions, job_panel
from app.components.error_boundary import error_boundary
from app.devices import timing_form
from app.tables import store
from engine.errors import RequestError
from engine.storage.records.event import TurnEvent
from engine.storage.timings.job import Timing


def show(token: str) -> None:
    """A card for each; when one has begun, ended or been deleted, the page is drawn anew once."""
    timings = store.active_timings(token)
    if timings:
        _live_cards(_states(timings))


def title(timing: Mapping[str, Any]) -> str:
    """A timing in a few words."""
    count = len(timing["points"])
    models = f"{count} model" + ("s" if count != 1 else "")
    return f"{models} on {timing['device']}, {str(timing['precision']).upper()}"


def ids(timing: Mapping[str, Any]) -> list[str]:
    """The ids of a timing's points, as `app.tables.points.tidy` has them."""
    return [f"{point['run']}.{point['point']}" for point in timing["points"]]


@st.fragment(run_every=job_panel.REFRESH_SECONDS)
@error_boundary()
@store.one_token()
def _live_cards(states: frozenset[tuple[str, str]]) -> None:
    token = store.settled_token()
    timings = store.active_timings(token)
    if _states(timings) != states:
        st.rerun()
    actions.show_toasts()
    job_panel.show_worker_notice()
    for timing in timings:
        with st.container(border=True), error_boundary():
            _card(timing, token)


def _states(timings: Sequence[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    return frozenset((timing["job_id"], timing["state"]) for timing in timings)


def _card(timing: Mapping[str, Any], token: str) -> None:
    job_id = timing["job_id"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(timing)
        st.markdown(f"**{escape.markdown(title(timing))}**", width="stretch")
        st.button("Cancel", icon=":material/cancel:", key=f"cancel-{job_id}", on_click=job_panel.cancel, args=(job_id,))
    titles = timing_form.titles(store.points(token), ids(timing))
    if timing["state"] != "running":
        st.caption(escape.markdown(", ".join(titles.values())))
        return
    message = escape.markdown(_with_titles(timing["message"], titles))
    st.progress(min(1.0, max(0.0, timing["progress"])), text=f"{timing['progress']:.0%} · {message}")
    folder = folder_or_none(job_id)
    if folder is None:
        return
    show_turns(folder, titles)
    job_panel.show_log(folder, ended=False)


def _with_titles(message: str, titles: Mapping[str, str]) -> str:
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


def show_turns(folder: Timing, titles: Mapping[str, str]) -> None:
    """What the turns so far have brought, a line for each model."""
    latencies: dict[str, list[float]] = {}
    for turn in folder.events(TurnEvent):
        latencies.setdefault(turn.model, []).append(turn.p50_ms)
    lines = [
        f"{escape.markdown(titles.get(model, model))}: p50 " + ", ".join(map(format.milliseconds, values))
        for model, values in latencies.items()
    ]
    if lines:
        st.caption("  \n".join(lines))
