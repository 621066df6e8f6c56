"""What a button does: the action and the toast of its outcome, and the dialog before one that cannot be undone."""

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from app import escape
from app.tables import store
from engine.errors import RequestError, WorkError
from engine.jobs import worker

DOUBLE_CLICK_SECONDS = 3.0
_TOASTS = "said"  # in the session: toasts that are to be shown


def run_action(action: Callable[[], object], success: str | None = None) -> bool:
    """Runs `action`; True when it raised no RequestError or WorkError.

    The toast of its outcome, `success` or the error, is left to `show_toasts`: a callback of a dialog or a fragment
    may draw nothing itself.
    """
    toasts = st.session_state.setdefault(_TOASTS, [])
    try:
        action()
    except (RequestError, WorkError) as error:
        toasts.append({"body": escape.message(error), "icon": ":material/error:", "duration": "long"})
        return False
    if success is not None:
        toasts.append({"body": success, "icon": ":material/check:"})
    return True


def show_toasts() -> None:
    """Shows the toasts since the last call; for the page, and for each fragment that refreshes itself in it."""
    for toast in st.session_state.pop(_TOASTS, ()):
        st.toast(**toast)


def enqueue(action: Callable[[], object], success: str) -> bool:
    """Runs `action`, which queues a job, and starts a worker where none runs; True when the job was queued."""
    queued = run_action(action, success)
    if queued:
        run_action(lambda: worker.start_detached(store.open_store()))
    return queued


def submit_once(key: str, request: object, submit: Callable[[], bool]) -> None:
    """Calls `submit` unless this is a double click: the same request again within `DOUBLE_CLICK_SECONDS`.

    `key` is where the session keeps the last request and its time.
    """
    last = st.session_state.get(key)
    now = time.monotonic()
    if last and last[0] == request and now - last[1] < DOUBLE_CLICK_SECONDS:
        return
    if submit():
        st.session_state[key] = (request, now)


def confirm(label: str, action: Callable[..., None], *arguments: Any) -> None:
    """The two buttons at the end of a dialog: `label` runs `action`, the other one keeps everything as it is."""
    with st.container(horizontal=True):
        confirmed = st.button(label, type="primary", key="confirmed", on_click=action, args=arguments)
        if confirmed or st.button("Keep"):
            st.rerun()
