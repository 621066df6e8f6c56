"""What moves by itself: the cards of running runs, and the notice of new results. Only these are timed."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import acting, data, guard, learning, points, theme, trying, words
from engine.jobs import worker
from engine.store import Job, Run

EVERY = 2.0  # seconds
_LOG_LINES = 30
_WAITING_SHOWN = 8


def active(token: str) -> list[dict[str, Any]]:
    """The runs that still change, those that are worked on first, then in the order in which they will start."""
    chosen = [run for run in data.runs(token) if run["state"] in data.ACTIVE and not run["gallery"]]
    return sorted(chosen, key=lambda run: (data.ACTIVE.index(run["state"]), run["created"]))


def board(token: str) -> None:
    """The head of the runs page and the cards of the active runs.

    While there are any it refreshes itself; when one has begun to wait, ended or gone, the page is drawn anew once.
    """
    ids = tuple(run["run_id"] for run in active(token))
    if ids:
        _live_board(frozenset(ids))
    else:
        _head(token)


def news(token: str) -> None:
    """While runs or timings are active: a button that brings in what they have measured since the page was drawn."""
    if active(token) or any(timing["state"] in data.ACTIVE for timing in data.timings(token)):
        _news(_measured(token))


@st.fragment(run_every=EVERY)
@guard.told()
def _live_board(ids: frozenset[str]) -> None:
    token = data.settled_token()
    now = active(token)
    if {run["run_id"] for run in now} != ids:
        st.rerun()
    acting.tell()
    _head(token)
    worker_notice(now)
    for run in now:
        if run["state"] == "running":
            with st.container(border=True), guard.told():
                _working(run)
    waiting = [run for run in now if run["state"] == "queued"]
    if waiting:
        with st.container(border=True, gap="xsmall"):
            for run in waiting[:_WAITING_SHOWN]:
                _headline(run)
            if len(waiting) > _WAITING_SHOWN:
                st.caption(f"and {len(waiting) - _WAITING_SHOWN} more that wait behind these")


@st.fragment(run_every=EVERY)
@guard.told()
def _news(seen: int) -> None:
    new = _measured(data.settled_token()) - seen
    if new > 0:
        label = f"{new} new result" + ("s" if new > 1 else "")
        if st.button(label, icon=":material/refresh:", help="Bring them into the chart."):
            st.rerun()


def _head(token: str) -> None:
    """The title and how many runs there are in each state."""
    mine = [run for run in data.runs(token) if not run["gallery"]]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("Runs", width="content")
        for state, (label, icon, colour) in theme.STATE_LOOK.items():
            count = sum(run["state"] == state for run in mine)
            if count:
                st.badge(f"{count} {label}", icon=icon, color=colour)
        st.space("stretch")
        if st.button("New run", icon=":material/add:"):
            st.switch_page("../pages/launch.py")


def worker_notice(now: Sequence[Mapping[str, Any]]) -> None:
    """Jobs that nobody works on would wait for ever: say so, with the one button that helps."""
    if any(run["state"] == "queued" for run in now) and worker.worker_of(data.store()) is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":material/warning: No worker is running, so nothing will start.", width="stretch")
            st.button("Start the worker", icon=":material/play_arrow:", on_click=start_worker)


def start_worker() -> None:
    """Sees that someone works on the queue; should that fail, the runs page offers it again."""
    acting.attempt(lambda: worker.start_detached(data.store()), "Worker started")


def _measured(token: str) -> int:
    timed = sum(len(timing["points"]) for timing in data.timings(token) if timing["state"] == "done")
    pruned: int = sum(run["points"] for run in data.runs(token))
    return pruned + timed


def _working(run: Mapping[str, Any]) -> None:
    _headline(run)
    st.progress(min(1.0, max(0.0, run["progress"])), text=f"{run['progress']:.0%} · {run['message']}")
    folder = data.run_or_none(run["run_id"])
    if folder is None:
        return
    what_happened(run, folder)
    log(folder, ended=False)


def _headline(run: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label, icon, colour = theme.STATE_LOOK[run["state"]]
        st.badge(label, icon=icon, color=colour)
        st.markdown(f"**{what(run)}**", width="stretch")
        if run["points"]:
            st.page_link(
                "../pages/explore.py",
                label="Explore",
                icon=":material/scatter_plot:",
                query_params={"exp": points.experiment(run)},
            )
        st.button(
            "Cancel", icon=":material/cancel:", key=f"cancel-{run['run_id']}", on_click=cancel, args=(run["run_id"],)
        )


def what(run: Mapping[str, Any]) -> str:
    """A run in a few words."""
    return (
        f"{run['model']} on {theme.data_label(run['data'])} · {theme.criterion_label(run['criterion'])} · "
        f"{words.way(run)} · seed {run['seed']}"
    )


def what_happened(run: Mapping[str, Any], folder: Run) -> None:
    """The learning curves of a run, and what it attempted where it did."""
    events = folder.events()
    epochs = [event for event in events if event["kind"] == "epoch"]
    if epochs:
        curves(epochs, key=run["run_id"])
    attempted = [event for event in events if event["kind"] == "attempts"]
    if attempted:
        trying.show(run, folder, attempted)


def curves(epochs: Sequence[Mapping[str, Any]], *, key: str) -> None:
    """Loss and accuracy side by side."""
    ink = theme.ink()
    both: tuple[learning.Quantity, learning.Quantity] = ("loss", "accuracy")
    for column, quantity in zip(st.columns(2), both, strict=True):
        column.plotly_chart(
            learning.figure(epochs, quantity, ink=ink),
            key=f"{quantity}-{key}",
            config={"displayModeBar": False},
            alt=learning.describe(epochs, quantity),
        )


def log(run: Job, *, ended: bool) -> None:
    """The last lines of the log, folded."""
    folded = st.expander("Log", icon=":material/notes:", key=f"log-{run.id}", on_change="rerun")
    if folded.open:
        lines = run.log_tail(_LOG_LINES)
        if lines:
            folded.code("\n".join(lines), language=None, height=220)
        else:
            folded.caption("No log was kept." if ended else "Nothing yet.")


def cancel(run_id: str) -> None:
    acting.attempt(lambda: data.queue().cancel(run_id), "Cancelling…")
