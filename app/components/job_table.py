"""A table of jobs in which the ticked row is the one that the page's address names."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from app import format


def show(rows: pd.DataFrame, ids: Sequence[str], query: str, **options: Any) -> str | None:
    """Draws `rows`, one for each of `ids`; the id that the parameter `query` names, None when it is none of them."""
    selected = st.query_params.get(query)
    # Another list of jobs is another table: the tick of this one would stay where it is, at another job's row.
    key = f"{query}-{len(ids)}-{ids[0]}"
    st.dataframe(
        rows,
        hide_index=True,
        placeholder=format.MISSING,
        key=key,
        on_select=partial(_select_row, key, query, tuple(ids)),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(selected)]}} if selected in ids else None,
        **options,
    )
    return selected if selected in ids else None


def _select_row(key: str, query: str, ids: tuple[str, ...]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        st.query_params[query] = ids[rows[0]]
    else:
        st.query_params.pop(query, None)
