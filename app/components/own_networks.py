"""The networks that a user has put on a list of their own, as pages offer them."""

import streamlit as st

from app import escape
from engine.errors import WorkError
from engine.zoo.own import listing


def names() -> tuple[str, ...]:
    """Their names; none, and why, where the list cannot be read."""
    try:
        return tuple(listing.names())
    except WorkError as error:
        st.warning(escape.message(error))
        return ()
