"""Whether this computer has a GPU that a run may use. Cached, as asking takes a process with torch."""

import streamlit as st

from app.tables.store import ask_engine
from engine.errors import RequestError, WorkError
from engine.measure import machine


@st.cache_data(show_spinner=False)
def is_there() -> bool:
    """Whether there is a GPU that torch can use; where the system knows of none, torch is not asked."""
    if not machine.may_have_gpu():
        return False
    try:
        return ask_engine("gpu")["gpu"] is not None
    except (RequestError, WorkError):
        return False  # `espalier gpu` in a terminal says why
