"""Below the preview: the experiment's name, the button with how long it takes, and the command that does the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import escape, format, theme
from app.components import actions
from app.components.error_boundary import error_boundary
from app.launch import request
from app.launch.plan import Plan, Time, asks_first, time_by_speed, time_in_history
from app.tables import speeds, store
from engine import words
from engine.errors import RequestError, WorkError
from engine.jobs import worker
from engine.spec.ids import LONGEST_EXPERIMENT, check_experiment
from engine.spec.run import RunSpec

_KEY = "prune"  # the button's, which a link to it names
_CONFIRMED = "confirmed_launch"  # in the session: a launch that was asked about and is to begin
_NAME_KEY = "launch_experiment"
_SHORTCUT = "Ctrl+Enter"
_REFRESH_SECONDS = 1.0


def draw_refused(refusal: request.Refusal) -> None:
    """The button that nobody can press, and why."""
    st.button("Prune", type="primary", icon=":material/content_cut:", width="stretch", disabled=True, key="refused")
    st.caption(refusal.sentence)


def show_way() -> None:
    """A link to the button, which is far from the page's head for those who go by keys or on a phone."""
    st.markdown(f"[:material/arrow_downward: Go to the button](#{_KEY})", width="content")


def draw(plan: Plan, history: Sequence[Mapping[str, Any]]) -> None:
    """The name, the button, the time, and the command."""
    default = request.name_of(plan.runs, _taken(history))
    typed = st.text_input(
        "Experiment",
        placeholder=default or "a name, if you like",
        key=_NAME_KEY,
        persist_state="session",
        help="These runs are shown under this name, as one experiment, on Explore and on Runs. "
        f"At most {LONGEST_EXPERIMENT} characters.",
    ).strip()
    try:
        name = check_experiment(typed) if typed else default
    except RequestError as error:
        draw_refused(request.Refusal.of(str(error), None))
        return
    look = speeds.Look(None)
    time = time_in_history(plan, history)
    if time is None:
        look = _look(plan.runs[0], history)
        time = None if look.measured is None else time_by_speed(plan, look.measured)
    _prune_button(plan, name, time)
    if time is not None:
        st.caption(time.sentence)
    elif look.goes_on:
        _wait(plan.runs[0])
    commands = st.expander(
        "The command line that does the same", icon=":material/terminal:", expanded=len(plan.runs) < 3
    )
    commands.code(request.commands(plan.runs, name), language=None, wrap_lines=True)


def _look(spec: RunSpec, history: Sequence[Mapping[str, Any]]) -> speeds.Look:
    """What is known of this machine's speed; nothing is measured beside a run, as both would be slowed down."""
    return speeds.look(spec, may_start=not any(run["state"] in store.ACTIVE for run in history))


def _taken(history: Sequence[Mapping[str, Any]]) -> set[str]:
    return {run["experiment"] for run in history if run["experiment"]}


@st.fragment(run_every=_REFRESH_SECONDS)
@error_boundary()
def _wait(spec: RunSpec) -> None:
    """That the machine is being measured; the page is then drawn anew once."""
    if not _look(spec, store.runs(store.settled_token())).goes_on:
        st.rerun()
    st.caption(":material/hourglass_empty: How long it takes is known once this machine's speed is measured.")


def _prune_button(plan: Plan, name: str | None, time: Time | None) -> None:
    """The button; what it queues is what the form holds in this very run of the page.

    A callback would get what the form held when the button was drawn: on a slow machine, before the last values typed.
    """
    count = len(plan.runs)
    pressed = st.button(
        **theme.emphasis("Prune" if count == 1 else f"Prune, {count} runs"),
        icon=":material/content_cut:",
        width="stretch",
        key=_KEY,
        shortcut=_SHORTCUT,
    )
    confirmed = st.session_state.pop(_CONFIRMED, None) == (plan.runs, name)
    if pressed and asks_first(plan, time):
        _ask(plan, name, time)
    elif (pressed or confirmed) and _submit(plan.runs, name):
        st.switch_page("../pages/runs.py")


@st.dialog("Start all of this?")
def _ask(plan: Plan, name: str | None, time: Time | None) -> None:
    """Before a long launch: how much it is. Nothing on the page can change meanwhile."""
    length = "an unknown time" if time is None else f"about {format.minutes(time.seconds)}"
    called = f" as **{escape.markdown(name)}**" if name else ""
    st.markdown(f"{words.count(len(plan.runs), 'run')}{called}, one after the other: {length} on this machine.")
    st.caption("Runs can be cancelled, and resumed later, at any time.")
    with st.container(horizontal=True):
        confirmed = st.button(
            "Start",
            type="primary",
            icon=":material/content_cut:",
            key="confirmed",
            on_click=_confirm,
            args=(plan.runs, name),
        )
        if confirmed or st.button("Not now"):
            st.rerun()


def _confirm(runs: tuple[RunSpec, ...], name: str | None) -> None:
    st.session_state[_CONFIRMED] = (runs, name)


def _submit(runs: Sequence[RunSpec], name: str | None) -> bool:
    """Queues the runs and starts a worker where none runs; a double click queues them once.

    False when nothing was queued.
    """
    queued = actions.submit_once("submitted", tuple(runs), lambda: _queue_and_start(runs, name))
    if not queued:
        actions.show_toasts()
    return queued


def _queue_and_start(runs: Sequence[RunSpec], name: str | None) -> bool:
    """Whether any of the runs was queued."""
    queued, failure = _queue(runs, name)
    if failure is not None:
        prefix = f"{queued} of {len(runs)} runs are queued, then it stopped: " if len(runs) > 1 else ""
        actions.say_failure(prefix + failure)
    if queued == 0:
        return False
    if failure is None:
        actions.say_success("Queued" if len(runs) == 1 else f"{len(runs)} runs queued")
    speeds.give_way()
    actions.run_action(lambda: worker.start_detached(store.open_store()))
    return True


def _queue(runs: Sequence[RunSpec], name: str | None) -> tuple[int, str | None]:
    """How many of the runs were queued, and why not all of them."""
    queued = 0
    try:
        queue = store.queue()
        for run in runs:
            queue.submit(run, name)
            queued += 1
    except (RequestError, WorkError) as error:
        return queued, str(error)
    return queued, None
