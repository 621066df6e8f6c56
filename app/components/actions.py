"""What pressing a button does: the act, said in a toast, and the question before one that cannot be undone."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.tables import store
from engine.errors import RequestError, WorkError
from engine.jobs import worker

_TOASTS = "said"  # in the session: toasts that are to be shown


def run_action(action: Callable[[], object], success: str | None = None) -> bool:
    """Does `act` and says so with `done`; what goes wrong is said, too. Whether it went well.

    It is said by `tell`, when the page is drawn next: a callback of a dialog or a fragment may draw nothing by itself.
    """
    toasts = st.session_state.setdefault(_TOASTS, [])
    try:
        action()
    except (RequestError, WorkError) as error:
        toasts.append({"body": str(error), "icon": ":material/error:", "duration": "long"})
        return False
    if success is not None:
        toasts.append({"body": success, "icon": ":material/check:"})
    return True


def show_toasts() -> None:
    """Shows what was said since it was asked last; for the page, and for what refreshes itself in it."""
    for toast in st.session_state.pop(_TOASTS, ()):
        st.toast(**toast)


def enqueue(action: Callable[[], object], success: str) -> bool:
    """Does `act`, which queues something, and sees that someone works on the queue. Whether it was queued."""
    queued = run_action(action, success)
    if queued:
        run_action(lambda: worker.start_detached(store.open_store()))
    return queued


def confirm(label: str, action: Callable[..., None], *arguments: Any) -> None:
    """The two buttons at the end of a dialog: `label` does `act`, the other one keeps everything as it is."""
    with st.container(horizontal=True):
        confirmed = st.button(label, type="primary", key="confirmed", on_click=action, args=arguments)
        if confirmed or st.button("Keep"):
            st.rerun()
