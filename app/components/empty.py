"""The empty state of a page: what it will show, and the one button that gets there."""

from collections.abc import Callable

import streamlit as st


def show(sentence: str) -> None:
    """A page that has nothing to show before something was pruned."""
    if invite(sentence, "Prune a network", ":material/content_cut:"):
        st.switch_page("../pages/launch.py")


def invite(sentence: str, label: str, icon: str, on_click: Callable[[], None] | None = None) -> bool:
    """A page without anything to show yet: what it will show, and the one button that gets there; whether pressed."""
    with st.container(border=True, horizontal_alignment="center"):
        st.space("small")
        st.markdown(sentence, text_alignment="center")
        is_pressed = st.button(label, icon=icon, type="primary", on_click=on_click)
        st.space("small")
    return is_pressed
