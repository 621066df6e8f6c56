"""What a button does: the action and the toast of its outcome, and the dialog before one that cannot be undone."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import escape, format
from app.tables import store
from engine.errors import RequestError, WorkError
from engine.jobs import worker
from engine.storage.housekeeping import trash

DOUBLE_CLICK_SECONDS = 3.0
_ENDING_SECONDS = 20  # long enough to be read, and not in the way of what is below it
_TOASTS = "said"  # in the session: toasts that are to be shown


def run_action(action: Callable[[], object], success: str | None = None) -> bool:
    """Runs `action`; True when it raised no RequestError or WorkError.

    The toast of its outcome, `success` or the error, is left to `show_toasts`: a callback of a dialog or a fragment
    may draw nothing itself.
    """
    try:
        action()
    except (RequestError, WorkError) as error:
        say_failure(str(error))
        return False
    if success is not None:
        say_success(success)
    return True


def say_failure(sentence: str) -> None:
    """Leaves a toast of what went wrong to `show_toasts`; `sentence` may hold any text."""
    _toasts().append({"body": escape.message(sentence), "icon": ":material/error:", "duration": "long"})


def say_success(sentence: str) -> None:
    """Leaves a toast of what was done to `show_toasts`."""
    _toasts().append({"body": sentence, "icon": ":material/check:"})


def say_ending(sentence: str) -> None:
    """Leaves a toast of a run that has ended, in Markdown, to `show_toasts`; it stays for a while."""
    _toasts().append({"body": sentence, "icon": ":material/flag:", "duration": _ENDING_SECONDS})


def _toasts() -> list[dict[str, Any]]:
    toasts: list[dict[str, Any]] = st.session_state.setdefault(_TOASTS, [])
    return toasts


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


def submit_once(key: str, request: object, submit: Callable[[], bool]) -> bool:
    """Calls `submit` unless this is a double click: the same request again within `DOUBLE_CLICK_SECONDS`.

    `key` is where the session keeps the last request and its time. True when the request was submitted, now or by the
    first of the two clicks.
    """
    last = st.session_state.get(key)
    if last and last[0] == request and time.monotonic() - last[1] < DOUBLE_CLICK_SECONDS:
        return True
    submitted = submit()
    if submitted:
        st.session_state[key] = (request, time.monotonic())
    return submitted


def say_refusals(sentences: Sequence[str]) -> None:
    """Leaves one toast of what went wrong with some of several jobs: the first, and how many more there are."""
    if sentences:
        more = f" (and {len(sentences) - 1} more like it)" if len(sentences) > 1 else ""
        say_failure(f"{sentences[0]}{more}")


def delete_button(run_id: str) -> None:
    """The button that deletes a run at once, as that can be undone."""
    st.button(":red[Delete]", icon=":material/delete:", key=f"delete-{run_id}", on_click=delete, args=([run_id],))


def delete(run_ids: Sequence[str]) -> None:
    """Deletes runs, which can be put back for a while."""
    deleted, refusals = trash.discard(store.open_store(), run_ids)
    if deleted:
        what = "Run" if len(deleted) == 1 else f"{len(deleted)} runs"
        until = format.clock(time.time() + trash.KEPT_SECONDS)
        say_success(f"{what} deleted; *Put back* above undoes it until {until.removeprefix('at ')}")
        st.query_params.pop("run", None)
    say_refusals(refusals)


def confirm(label: str, action: Callable[..., None], *arguments: Any) -> None:
    """The two buttons at the end of a dialog: `label` runs `action`, the other one keeps everything as it is.

    What cannot be undone is red, not the colour of what one is led to.
    """
    with st.container(horizontal=True):
        confirmed = st.button(f":red[{label}]", key="confirmed", on_click=action, args=arguments)
        if confirmed or st.button("Keep"):
            st.rerun()
