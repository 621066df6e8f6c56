"""The word on whatever page one is that a run has ended, with the way to what came out."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from app import escape, text
from app.components import actions, frame
from app.components.error_boundary import error_boundary
from app.tables import points, store

_WATCHED = "watched"  # in the session: the ids of the runs that were active when it last looked
_SECONDS = 3.0


def show(token: str, page: str) -> None:
    """Says which runs have ended since this session last looked; looks again by itself while any are active."""
    seconds = _SECONDS if store.active_runs(token) else None
    st.fragment(_watch, run_every=seconds)(page)


@error_boundary()
@store.one_token()
def _watch(page: str) -> None:
    ended = _ended(store.settled_token())
    for sentence in sentences(ended):
        actions.say_ending(sentence)
    actions.show_toasts()
    frame.show(page, [ending(runs) for runs in _by_state(ended)])


def _ended(token: str) -> list[Mapping[str, Any]]:
    """The runs that have ended since this session last looked."""
    active = frozenset(run["run_id"] for run in store.active_runs(token))
    gone = st.session_state.get(_WATCHED, frozenset()) - active
    st.session_state[_WATCHED] = active
    return [run for run in store.runs(token) if run["run_id"] in gone] if gone else []


def sentences(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is said of runs that have just ended: one for all that are done, one for all that have failed."""
    return [
        f"{escape.markdown(_said(some), escape.LONGEST_SENTENCE)} [{_invitation(some)}]({ending(some).link})"
        for some in _by_state(runs)
    ]


def ending(runs: Sequence[Mapping[str, Any]]) -> frame.Ending:
    """The same as plain text; `runs` have all ended in one state."""
    if runs[0]["state"] == "failed":
        return frame.Ending(_said(runs), f"./runs?{urlencode({'run': runs[0]['run_id']})}")
    experiments = sorted({points.experiment(run) for run in runs})
    return frame.Ending(_said(runs), f"./?{urlencode({'exp': experiments}, doseq=True)}")


def _by_state(runs: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    groups = ([run for run in runs if run["state"] == state] for state in ("done", "failed"))
    return [group for group in groups if group]


def _said(runs: Sequence[Mapping[str, Any]]) -> str:
    if runs[0]["state"] == "failed":
        return f"{_what(runs)} failed."
    return f"{_what(runs)} {'is' if len(runs) == 1 else 'are'} done."


def _invitation(runs: Sequence[Mapping[str, Any]]) -> str:
    if runs[0]["state"] == "failed":
        return "Show why"
    return "Show the curve" if len(runs) == 1 else "Show the curves"


def _what(runs: Sequence[Mapping[str, Any]]) -> str:
    if len(runs) > 1:
        return f"{len(runs)} runs"
    run = runs[0]
    settings = f"{run['model']}, {text.criterion_label(run['criterion'])}, seed {run['seed']}"
    return escape.plain(run["name"] or settings)
