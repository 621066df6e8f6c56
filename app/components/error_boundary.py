"""The error state of every page and of every part that refreshes itself: one sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from app import escape
from app.tables import store
from engine.errors import RequestError, WorkError


@contextmanager
def error_boundary() -> Iterator[None]:
    """Ends the block at the first result that cannot be read, and says what happened and what to do."""
    try:
        yield
    except (RequestError, WorkError) as error:
        _show_error(error)


def _show_error(error: Exception) -> None:
    st.error(escape.message(error), title="The results cannot be read", icon=":material/error:")
    with st.expander("Details"):
        st.markdown(
            f"Results folder: {escape.markdown(store.results_root())}  \n"
            "Choose another one with the environment variable `ESPALIER_RESULTS`; "
            "`espalier reindex` rebuilds the index from the run folders."
        )
