"""What the page's address says: which landscape, against which other one, of which networks, and which cell.

The address is the truth: widgets are set from it before they are drawn, and write into it when they change. So a link
restores the view, and the browser's way back undoes a choice.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st

from app import escape

LANDSCAPE, AGAINST, NETWORKS, DEPTH, WIDTH = "landscape", "against", "networks", "depth_kept", "width_kept"
T = TypeVar("T")
_LONGEST = 60  # characters of what is quoted


def pick(key: str, options: Sequence[T], default: T, what: str) -> T:
    """The option that the address names, which the widget of this key begins with; `default` where it names none.

    What it names that is not among the options is said in one line.
    """
    asked = st.query_params.get(key)
    found = next((option for option in options if asked in _spellings(option)), None)
    if asked is not None and found is None:
        st.caption(
            f":material/link_off: The link names {what} {escape.markdown(asked, _LONGEST)}, which is not among the "
            "choices here; the rest is shown."
        )
    chosen = default if found is None else found
    st.session_state[key] = st.session_state[_drawn(key)] = chosen
    return chosen


def _spellings(option: object) -> tuple[str, ...]:
    return (str(option), f"{option:g}") if isinstance(option, float) else (str(option),)


def _drawn(key: str) -> str:
    """Where the session keeps what a widget was drawn with."""
    return f"{key} as drawn"


def remember(key: str) -> None:
    """Writes what a widget holds into the address; what a widget without a choice holds is taken out of it.

    A browser reports what a widget was set to by the page as if it had been changed there: that is no choice.
    """
    value = st.session_state[key]
    if value == st.session_state.get(_drawn(key)):
        return
    if value is None:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = str(value)


def bound(key: str) -> dict[str, Any]:
    """What a widget is given so that the address follows it."""
    return {"key": key, "on_change": remember, "args": (key,)}


def choose_clicked(chart: str) -> None:
    """Writes the clicked cell into the address; a click beside all cells changes nothing."""
    clicked = st.session_state[chart]["selection"]["points"]
    data = next((point["customdata"] for point in clicked if point.get("customdata")), None)
    if data is None:
        return
    depth, width = (data[name] for name in (("0", "1") if isinstance(data, Mapping) else (0, 1)))
    st.query_params.update({DEPTH: str(float(depth)), WIDTH: str(float(width))})


def link() -> str:
    """The address of what is shown now."""
    query = [(key, value) for key in st.query_params for value in st.query_params.get_all(key)]
    return f"{st.context.url or ''}?{urlencode(query)}"
