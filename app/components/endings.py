"""The word on whatever page one is, and from the browser, that a run has ended, with the way to what came out."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from app import escape, text
from app.components import actions, notification
from app.components.error_boundary import error_boundary
from app.tables import points, store

_WATCHED = "watched"  # in the session: the ids of the runs that were active when it last looked
_SECONDS = 3.0


def show(token: str) -> None:
    """Says which runs have ended since this session last looked; looks again by itself while any are active."""
    _look(token)
    if st.session_state[_WATCHED]:
        _watch()
    elif notification.has_any():
        notification.keep()


@st.fragment(run_every=_SECONDS)
@error_boundary()
def _watch() -> None:
    _look(store.settled_token())
    notification.keep()


def _look(token: str) -> None:
    active = frozenset(run["run_id"] for run in store.active_runs(token))
    ended = st.session_state.get(_WATCHED, frozenset()) - active
    st.session_state[_WATCHED] = active
    if ended:
        for sentence in sentences([run for run in store.runs(token) if run["run_id"] in ended]):
            actions.say_ending(sentence)
            notification.add(sentence)
        actions.show_toasts()


def sentences(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is said of runs that have just ended: one for all that are done, one for all that have failed."""
    done = [run for run in runs if run["state"] == "done"]
    failed = [run for run in runs if run["state"] == "failed"]
    said = []
    if done:
        link = f"./?{urlencode({'exp': sorted({points.experiment(run) for run in done})}, doseq=True)}"
        said.append(f"{_what(done)} {_is(done)} done. [Show the curve{'s' if len(done) > 1 else ''}]({link})")
    if failed:
        link = f"./runs?{urlencode({'run': failed[0]['run_id']})}"
        said.append(f"{_what(failed)} failed. [Show why]({link})")
    return said


def _what(runs: Sequence[Mapping[str, Any]]) -> str:
    if len(runs) > 1:
        return f"{len(runs)} runs"
    run = runs[0]
    settings = f"{run['model']}, {text.criterion_label(run['criterion'])}, seed {run['seed']}"
    return escape.markdown(run["name"] or settings)


def _is(runs: Sequence[Mapping[str, Any]]) -> str:
    return "is" if len(runs) == 1 else "are"
