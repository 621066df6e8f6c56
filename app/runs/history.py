"""The list of runs: filters, one page of the table, what can be done about several, and the selected one's details."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import escape, theme
from app.components import job_table
from app.components.error_boundary import error_boundary
from app.runs import bulk, listing, panel
from app.tables import store
from engine.storage.housekeeping import disk

_STATES, _WORDS, _PAGE = "run_state", "find", "runs_page"

_COLUMNS = {
    "state": st.column_config.TextColumn(width="small"),
    "what": st.column_config.TextColumn(width="large"),
    "baseline": st.column_config.NumberColumn(format="%.1f %%"),
    "best so far": st.column_config.NumberColumn(format="%.1f %%", help="Best top-1 that a target ended with."),
    "at": st.column_config.TextColumn(
        help="What that network has of the untouched one's cost, in what the run's targets are stated in."
    ),
    "when": st.column_config.DatetimeColumn(format="distance"),
    "took": st.column_config.TextColumn(width="small", help="Since it was last started, until it ended."),
    "disk": st.column_config.TextColumn(width="small"),
}


def show_unknown(runs: Sequence[Mapping[str, Any]]) -> None:
    """One line about what a link names and nobody knows here; the rest of it is shown."""
    ids = {run["run_id"] for run in runs}
    unknown = [f"the run {name}" for name in st.query_params.get_all("run") if name not in ids]
    unknown += [f"the state {name}" for name in st.query_params.get_all("state") if name not in theme.STATE_LOOK]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        st.info(f"This link names {escape.markdown(unknown[0])}{more}, not known here.", icon=":material/link_off:")


def show(runs: Sequence[Mapping[str, Any]]) -> None:
    """The user's own runs, of which there is at least one."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        found = listing.matching(runs, _select_states(runs), _type_words())
    if not found:
        st.info(
            "No run has this state and these words; clear a filter to see the others.", icon=":material/search_off:"
        )
        return
    named = next(iter(st.query_params.get_all("run")), None)
    count, number = listing.page_count(len(found)), 1
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        place = st.empty()
        if count > 1:
            default = listing.page_of(found, named)
            number = st.pagination(count, default=default, key=_PAGE, bind="query-params", width=320)
    shown = listing.page(found, number)
    place.caption(listing.position(len(shown), number, len(found), len(runs)))
    selected = _table(shown)
    chosen = [run for run in shown if run["run_id"] in selected]
    if len(chosen) > 1:
        bulk.show(chosen)
    elif chosen:
        with st.container(border=True), error_boundary():
            panel.show(chosen[0])
    else:
        st.caption("Tick a row to see its curves and log, or to resume, repeat or delete it; several to do so at once.")


def show_gallery(runs: Sequence[Mapping[str, Any]]) -> None:
    """The runs that are shipped with the program, folded; the selected one's details stand below."""
    ids = [run["run_id"] for run in runs]
    named = next((run_id for run_id in st.query_params.get_all("run") if run_id in ids), None)
    label = "Gallery: 1 run that comes" if len(runs) == 1 else f"Gallery: {len(runs):,} runs that come"
    expander = st.expander(
        f"{label} with Espalier", icon=":material/collections_bookmark:", key="gallery_runs", on_change="rerun"
    )
    if expander.open:
        with expander:
            job_table.show(
                escape.cells(listing.rows(runs, {}).drop(columns=["when", "took"], errors="ignore")),
                ids,
                "run",
                height=min(352, 38 + 35 * len(ids)),
                column_config=_COLUMNS,
                alt="Runs that come with Espalier",
            )
    if named is not None:
        with st.container(border=True), error_boundary():
            panel.show(runs[ids.index(named)])


def _select_states(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The states that the pills name; each says how many runs are in it."""
    counts = listing.counts(runs)
    if _STATES not in st.session_state:
        named = st.query_params.get_all("state")
        st.session_state[_STATES] = [state for state in theme.STATE_LOOK if state in named]
    kept = [state for state in theme.STATE_LOOK if state in counts or state in st.session_state[_STATES]]
    selected: list[str] = st.pills(
        "States",
        kept,
        selection_mode="multi",
        format_func=lambda state: f"{theme.STATE_LOOK[state][1]} {counts.get(state, 0):,} {theme.STATE_LOOK[state][0]}",
        key=_STATES,
        label_visibility="collapsed",
        on_change=_link_states,
    )
    return selected


def _link_states() -> None:
    if st.session_state[_STATES]:
        st.query_params["state"] = st.session_state[_STATES]
    else:
        st.query_params.pop("state", None)


def _type_words() -> str:
    return st.text_input(
        "Find a run",
        type="search",
        key=_WORDS,
        bind="query-params",
        placeholder="Find by name, note, tag, model, criterion or id",
        label_visibility="collapsed",
        max_chars=200,
        width=360,
    )


def _table(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    folders = {run["run_id"]: store.run_or_none(run["run_id"]) for run in runs}
    sizes = {run_id: disk.size(folder.path) for run_id, folder in folders.items() if folder is not None}
    return job_table.show_several(
        escape.cells(listing.rows(runs, sizes)),
        [run["run_id"] for run in runs],
        "run",
        height=min(352, 38 + 35 * len(runs)),
        column_config=_COLUMNS,
        alt="Runs, newest first",
    )
