"""The chart and the card beside it. A click on a point draws these two at once, and the rest of the page after them."""

import time
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app.components.error_boundary import error_boundary
from app.components.layer_times import dialog
from app.explore import card, chosen, controls, plot
from app.explore.budget import Budget

_UNTIL_DRAWN = 0.15  # seconds in which a browser draws the card: with what comes sooner it would begin anew


@dataclass(frozen=True)
class Picture:
    """What the page draws: its rows, those of them that lie on both axes, and what is pointed out among them.

    `of` is another one where other rows are drawn in the same view.
    """

    rows: pd.DataFrame
    drawn: pd.DataFrame
    view: controls.View
    limits: Budget
    best: str | None
    of: object


@dataclass(frozen=True)
class _Said:
    """What the user has said by clicks on the chart and its card, of which the rest of the page speaks, too."""

    selected: str | None
    together: tuple[str, ...]
    hidden: frozenset[str]
    asked: object


def show(picture: Picture) -> None:
    """Draws both; by themselves, too, when they are clicked on, until the page has caught up."""
    _draw(picture, _said(picture))


@st.fragment
@error_boundary()
def _draw(picture: Picture, of_page: _Said) -> None:
    said = _said(picture)
    if (said.hidden, said.asked) != (of_page.hidden, of_page.asked):
        st.rerun()  # the front is another one, or a dialog opens: nothing of that is drawn here alone
    left, right = st.columns([7, 3], gap="medium")
    hint = "Click a point, or a row of the table, to see its layers and files."

    def draw_chart() -> None:
        with left:
            plot.show(picture.drawn, picture.view, picture.limits, picture.best, said.selected, of=picture.of)

    def draw_card() -> None:
        with right.container(border=True, height=plot.HEIGHT, gap="xsmall"):
            card.show_selected(picture.rows, said.selected, picture.view, hint)

    # The chart is what a first visit waits for, the card is what a click waits for: the chart stands by then.
    for draw in (draw_card, draw_chart) if plot.is_drawn() else (draw_chart, draw_card):
        draw()
    if said != of_page:
        time.sleep(_UNTIL_DRAWN)
        st.rerun()


def _said(picture: Picture) -> _Said:
    selected = controls.selected_point(picture.rows, picture.best)
    return _Said(selected, chosen.ids(picture.rows["id"]), plot.hidden(), dialog.subject())
