"""The guided tour on the page: six steps of one experiment, one at a time, forwards and back."""

import streamlit as st

from app import escape, theme
from app.methods import cards, deck, demonstration, steps

PARAMETER = "tour"  # of the page's address: the number of the step, from 1
FIRST_STEP = {PARAMETER: "1"}  # the query of a link from another page


def turn_to(number: int | None) -> None:
    """Turns to a step, or ends the tour; a callback."""
    if number is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = str(number)


def offer() -> None:
    """The button that begins the tour, where none is under way."""
    if PARAMETER not in st.query_params:
        st.button(
            "Take the tour", icon=":material/explore:", type="primary", key="tour-begin", on_click=turn_to, args=(1,)
        )


def show() -> None:
    """The step that the address names; a step that there is none of is said to be none."""
    asked = st.query_params.get(PARAMETER)
    if asked is None:
        return
    if asked not in map(str, range(1, len(steps.STEPS) + 1)):
        st.warning(
            f"The tour has the steps 1 to {len(steps.STEPS)}, and none named {escape.markdown(asked)}; begin with the "
            "first.",
            icon=":material/search_off:",
        )
        st.button("To the first step", key="tour-first", on_click=turn_to, args=(1,))
        return
    number = int(asked)
    step = steps.STEPS[number - 1](demonstration.load(), theme.ink())
    with st.container(border=True, gap="small"):
        st.caption(f"Tour of one experiment, step {number} of {len(steps.STEPS)}")
        left, right = st.columns([2, 3], gap="medium")
        with left:
            st.subheader(step.title, anchor=False)
            st.markdown(step.text)
            _buttons(number, step)
        with right:
            for place, picture in enumerate(step.pictures):
                st.plotly_chart(
                    picture.figure, key=f"tour-{number}-{place}", config={"displayModeBar": False}, alt=picture.alt
                )
                if picture.caption:
                    st.caption(picture.caption)


def _buttons(number: int, step: steps.Step) -> None:
    last = number == len(steps.STEPS)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Back",
            icon=":material/arrow_back:",
            key="tour-back",
            disabled=number == 1,
            on_click=turn_to,
            args=(number - 1,),
        )
        if last and st.button("Prune a network", icon=":material/content_cut:", type="primary", key="tour-launch"):
            st.switch_page("../pages/launch.py")
        if not last:
            st.button(
                "Next",
                icon=":material/arrow_forward:",
                type="primary",
                key="tour-next",
                on_click=turn_to,
                args=(number + 1,),
            )
        st.button("End the tour", type="tertiary", key="tour-end", on_click=turn_to, args=(None,))
    if step.card:
        st.button(
            f"More about {deck.CARDS[step.card].title}",
            icon=":material/menu_book:",
            type="tertiary",
            key="tour-card",
            on_click=_leave_for,
            args=(step.card,),
        )


def _leave_for(name: str) -> None:
    turn_to(None)
    cards.open_card(name)
