"""What pressing a button does: the act, said in a toast, and the question before one that cannot be undone."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.tables import store
from engine.errors import RequestError, WorkError
from engine.jobs import worker

_SAID = "said"  # in the session: toasts that are to be shown


def run_action(act: Callable[[], object], done: str | None = None) -> bool:
    """Does `act` and says so with `done`; what goes wrong is said, too. Whether it went well.

    It is said by `tell`, when the page is drawn next: a callback of a dialog or a fragment may draw nothing by itself.
    """
    said = st.session_state.setdefault(_SAID, [])
    try:
        act()
    except (RequestError, WorkError) as error:
        said.append({"body": str(error), "icon": ":material/error:", "duration": "long"})
        return False
    if done is not None:
        said.append({"body": done, "icon": ":material/check:"})
    return True


def show_toasts() -> None:
    """Shows what was said since it was asked last; for the page, and for what refreshes itself in it."""
    for toast in st.session_state.pop(_SAID, ()):
        st.toast(**toast)


def enqueue(act: Callable[[], object], done: str) -> bool:
    """Does `act`, which queues something, and sees that someone works on the queue. Whether it was queued."""
    queued = run_action(act, done)
    if queued:
        run_action(lambda: worker.start_detached(store.open_store()))
    return queued


def confirm(label: str, act: Callable[..., None], *arguments: Any) -> None:
    """The two buttons at the end of a dialog: `label` does `act`, the other one keeps everything as it is."""
    with st.container(horizontal=True):
        sure = st.button(label, type="primary", key="confirmed", on_click=act, args=arguments)
        if sure or st.button("Keep"):
            st.rerun()
