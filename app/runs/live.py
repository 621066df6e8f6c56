"""The head of the runs page and the cards of the runs that wait or are under way, which refresh themselves."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import escape, theme
from app.charts import axes, tradeoff
from app.charts.drawing import Drawing
from app.components import actions, frame, job_panel
from app.components.error_boundary import error_boundary
from app.runs import bulk, details, facts
from app.tables import points, selection, store
from engine.errors import RequestError, WorkError
from engine.jobs import worker
from engine.storage.folders.run import Run

_RUNNING_SHOWN, _WAITING_SHOWN = 4, 3
_STARTING_SECONDS = 0.5  # between two looks at a run that is about to move
_POINTS_HEIGHT = 260  # px
_MOST_KEPT = 16  # charts, of one run each
_CARDS = "runs_with_a_card"  # in the session: those that have one now
_EXPECTED = "expected_seconds"  # in the session: by run, what ones like it took, which all runs are looked through for


def show_head() -> None:
    """The title, the way back from a deletion, the switch for notifications, and the button for another run."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title("Runs", width="content")
        bulk.show_undo()  # not on the right, where the toast of the deletion lies
        st.space("stretch")
        frame.show_switch()
        if st.button("New run", icon=":material/add:"):
            st.switch_page("../pages/launch.py")


def show(token: str) -> None:
    """The cards of the active runs, and whether a worker is missing.

    While there are any they refresh themselves, often until the first of them moves; when one has been queued, begun,
    ended or deleted, the page is drawn anew once.
    """
    active = store.active_runs(token)
    st.session_state[_CARDS] = frozenset()
    if active:
        seconds = _STARTING_SECONDS if _is_about_to_move(active[0]) else job_panel.REFRESH_SECONDS
        st.fragment(_live_cards, run_every=seconds)(_states(active))
    else:
        job_panel.show_worker_notice()


def has_card(run_id: str) -> bool:
    """Whether a run's curves and log are on the page already."""
    return run_id in st.session_state.get(_CARDS, ())


@error_boundary()
@store.one_token()
def _live_cards(drawn: frozenset[tuple[str, str, bool]]) -> None:
    token = store.settled_token()
    runs = store.active_runs(token)
    if _states(runs) != drawn:
        st.rerun()
    actions.show_toasts()
    job_panel.show_worker_notice()
    running = [run for run in runs if run["state"] == "running"]
    with_card = running[:_RUNNING_SHOWN]  # a cluster has more under way than anybody reads
    st.session_state[_CARDS] = frozenset(run["run_id"] for run in with_card)
    for run in with_card:
        with st.container(border=True), error_boundary():
            _running_card(run, token)
    if len(running) > _RUNNING_SHOWN:
        st.caption(f"and {len(running) - _RUNNING_SHOWN:,} more that are under way, in the table below")
    waiting = [run for run in runs if run["state"] == "queued"]
    if waiting:
        with st.container(border=True, gap="xsmall"):
            for run in waiting[:_WAITING_SHOWN]:
                _headline(run)
            if len(waiting) > _WAITING_SHOWN:
                st.caption(f"and {len(waiting) - _WAITING_SHOWN:,} more that wait behind these, in the table below")


def _states(runs: Sequence[Mapping[str, Any]]) -> frozenset[tuple[str, str, bool]]:
    """How each run stands, and whether it has moved."""
    return frozenset((run["run_id"], run["state"], run["progress"] > 0) for run in runs)


def _is_about_to_move(first: Mapping[str, Any]) -> bool:
    """Whether the first of the active runs is being started: no other is worked on, and there is who starts it."""
    return first["progress"] == 0 and worker.has_worker(store.open_store())


def _running_card(run: Mapping[str, Any], token: str) -> None:
    _headline(run)
    st.progress(min(1.0, max(0.0, run["progress"])), text=f"{run['progress']:.0%} · {escape.markdown(run['message'])}")
    folder = store.run_or_none(run["run_id"])
    if folder is None:
        return
    st.caption(_pace(run, folder, token))
    details.show_events(run, folder, epochs_ahead=_epochs_are_ahead(run))
    _show_points(run, token)
    job_panel.show_log(folder, ended=False)


def _show_points(run: Mapping[str, Any], token: str) -> None:
    """What is measured so far, each network as soon as it is, on the axes that Explore begins with."""
    measured = store.points(token)
    rows = measured[measured["run_id"] == run["run_id"]] if not measured.empty else measured
    drawn = rows if rows.empty else selection.select(rows, before=True, steps=True).dropna(subset=["top1"])
    if drawn.empty:
        st.skeleton(height=_POINTS_HEIGHT)
        return
    key = repr((store.results_root(), run["run_id"], drawn["point"].tolist(), theme.ink()))
    figure, sentence = _drawing(key, drawn)
    st.plotly_chart(figure, key=f"points-{run['run_id']}", config={"displayModeBar": False}, alt=sentence)


@st.cache_resource(max_entries=_MOST_KEPT, show_spinner=False)
def _drawing(key: str, _rows: pd.DataFrame) -> tuple[Drawing, str]:
    """The chart of a run's points, and it in one sentence. A card is drawn anew far more often than a point comes, and
    the run goes without what that takes of the processor.
    """
    x, y = axes.X_AXES["macs"], axes.Y_AXES["top1"]
    rows = selection.with_baseline_key(_rows)
    figure = tradeoff.figure(rows, x, y, ink=theme.ink(), height=_POINTS_HEIGHT)
    return figure, tradeoff.describe(rows, x, y, None)


def _pace(run: Mapping[str, Any], folder: Run, token: str) -> str:
    """How long it has been worked on and will be; of damaged files only the former."""
    known: dict[str, float | None] = st.session_state.setdefault(_EXPECTED, {})
    try:
        if folder.id not in known:
            known[folder.id] = store.expected_seconds(store.runs(token), folder.spec())
        events = folder.event_lines()
    except (RequestError, WorkError):
        events = []
    return facts.pace(run, events, known.get(folder.id), time.time())


def _epochs_are_ahead(run: Mapping[str, Any]) -> bool:
    """Whether a run trains at all, as far as its request says."""
    return bool((run["weights"] == "none" and run["train_epochs"]) or run["recover_epochs"])


def _headline(run: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        job_panel.show_state(run)
        title = escape.markdown(details.title(run))
        said = f"**{escape.markdown(run['name'])}** · {title}" if run["name"] else f"**{title}**"
        st.markdown(said, width="stretch")
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
