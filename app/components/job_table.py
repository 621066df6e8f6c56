"""A table of jobs in which the ticked rows are those that the page's address names; the Space key ticks, too."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal
from zlib import crc32

import pandas as pd
import streamlit as st

from app import format


def show(rows: pd.DataFrame, ids: Sequence[str], query: str, **options: Any) -> str | None:
    """Draws `rows`, one for each of `ids`; the id that the parameter `query` names, None when it is none of them."""
    return next(iter(_show(rows, ids, query, "single-row", options)), None)


def show_several(rows: pd.DataFrame, ids: Sequence[str], query: str, **options: Any) -> list[str]:
    """The same where any number of rows can be ticked; those of the ids that the parameter names, in their order."""
    return _show(rows, ids, query, "multi-row", options)


def _show(
    rows: pd.DataFrame,
    ids: Sequence[str],
    query: str,
    mode: Literal["single-row", "multi-row"],
    options: dict[str, Any],
) -> list[str]:
    named = set(st.query_params.get_all(query))
    selected = [job_id for job_id in ids if job_id in named]
    key = _key(ids, query, selected)
    ticked = [ids.index(each) for each in selected]
    # With a row ticked and no cell the arrow keys would do nothing.
    cells = [(row, str(rows.columns[0])) for row in ticked[:1]]
    st.dataframe(
        rows,
        hide_index=True,
        placeholder=format.MISSING,
        key=key,
        on_select=partial(_select_rows, key, query, tuple(ids), ticked),
        selection_mode=[mode, "single-cell"],
        selection_default={"selection": {"rows": ticked, "cells": cells}} if ticked else None,
        **options,
    )
    return selected


def _key(ids: Sequence[str], query: str, selected: Sequence[str]) -> str:
    """The table's key: another one for other jobs, or where the address names others than those that are ticked.

    The ticks of a table that keeps its key stay where they are, at whatever rows.
    """
    base = f"{query}-{len(ids)}-{crc32(' '.join(ids).encode())}"
    version: int = st.session_state.setdefault(f"{base}-version", 0)
    state = st.session_state.get(f"{base}-{version}")
    if state is not None and sorted(state["selection"]["rows"]) != sorted(ids.index(each) for each in selected):
        version += 1
        st.session_state[f"{base}-version"] = version
    return f"{base}-{version}"


def _select_rows(key: str, query: str, ids: tuple[str, ...], ticked: Sequence[int]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if sorted(rows) == sorted(ticked):
        return  # another cell
    if rows:
        st.query_params[query] = [ids[row] for row in sorted(rows)]
    else:
        st.query_params.pop(query, None)
