"""The models that were chosen together, by ticks of the table or by a box or lasso on the chart, to be compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app.compare import selection

_KEY = "explore_chosen"  # in the session
_HOW = "Tick two to six rows of the table, or draw a box or a lasso around points of the chart: its tools are above it."


@dataclass(frozen=True)
class Ticks:
    """Ids of the ticked rows, and which of them the user turned to last; None where nothing new was ticked."""

    ids: tuple[str, ...]
    turned_to: str | None


def ids(shown: pd.Series) -> tuple[str, ...]:
    """Those chosen, of the points that are shown, whose ids are given; none where they are fewer than two."""
    remembered = st.session_state.get(_KEY, ())
    if len(remembered) < 2:
        return ()
    found = frozenset(shown[shown.isin(remembered)])
    chosen = tuple(point for point in remembered if point in found)
    return chosen if len(chosen) > 1 else ()


def remember(chosen: Sequence[str]) -> None:
    """For callbacks."""
    st.session_state[_KEY] = tuple(chosen)


def ticked(chosen: Sequence[str], selected: str | None) -> tuple[str, ...]:
    """The rows that have a tick: those chosen together, or else the selected one."""
    return tuple(chosen) or ((selected,) if selected is not None else ())


def change(before: Sequence[str], now: Sequence[str], selected: str | None) -> Ticks | None:
    """What new ticks say; None where they are those from before.

    A row that is ticked is turned to. Where the selected one lost its tick, it is the last that has one.
    """
    if set(before) == set(now):
        return None
    new = [point for point in now if point not in before]
    if new:
        return Ticks(tuple(now), new[-1])
    return Ticks(tuple(now), now[-1] if now and selected not in now else None)


def show_button(shown: pd.Series) -> None:
    """The way to the page that compares them; it is always there, so that nothing moves as they are chosen."""
    chosen = ids(shown)
    too_many = len(chosen) > selection.MOST
    if st.button(
        f"Compare · {len(chosen)}" if chosen else "Compare",
        icon=":material/compare_arrows:",
        help=f"At most {selection.MOST} models are compared: untick some." if too_many else _HOW,
        disabled=not chosen or too_many,
        key="compare_chosen",
    ):
        st.switch_page("../pages/compare.py", query_params=selection.link(chosen))
    if too_many:
        st.caption(f"At most {selection.MOST} models are compared.", width="content")
