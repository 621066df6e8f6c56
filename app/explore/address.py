"""What of the page's address the page writes itself: filters, axes, budget and the selected point.

A widget that Streamlit binds to the address replaces the browser's entry; what is written here adds one, so that Back
undoes it, and a value that is not among the options stays in the address, so that the page can say so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

Query = Mapping[str, tuple[str, ...]]
_OWN = frozenset({"exp", "model", "data", "criterion", "order", "x", "y", "point"})
_BOUNDS = ("most_", "least_")  # what the names of a budget's parameters begin with
_TRAIL = "explore_trail"  # in the session
_ALWAYS_DRAWN = "x"  # a widget, whose value Streamlit drops when the page is left


@dataclass(frozen=True)
class Trail:
    """What this session wrote last, and what it wrote before that."""

    last: Query
    before: Query | None = None


def settle(asked: Query, trail: Trail | None, *, entered: bool, is_back: bool) -> Query:
    """What the page is to show: what its address asks for, but for an address that lags behind the session.

    The address lags when a widget is used before the browser has heard of the last change, and when one comes back to
    the page from another one by a link that asks for nothing.
    """
    if trail is None or is_back:
        return asked
    lags = not asked if entered else asked == trail.before
    return trail.last if lags else asked


def open_page() -> None:
    """Reads the address; first of all on the page."""
    context = get_script_run_ctx()
    trail: Trail | None = st.session_state.get(_TRAIL)
    entered = _ALWAYS_DRAWN not in st.session_state
    is_back = context is not None and context.is_history_navigation
    shown = settle(_asked(), trail, entered=entered, is_back=is_back)
    if trail is None or shown != trail.last:
        st.session_state[_TRAIL] = Trail(shown)
    _show(shown)


def values(name: str) -> tuple[str, ...]:
    """The values of a parameter; () where it is not set."""
    trail: Trail = st.session_state[_TRAIL]
    return trail.last.get(name, ())


def number(name: str) -> float | None:
    """A parameter as a number that is not negative; None where it is not set or is none."""
    try:
        value = float(values(name)[-1])
    except (IndexError, ValueError):
        return None
    return value if math.isfinite(value) and value >= 0 else None


def bounds() -> list[str]:
    """The names of the parameters of a budget that are set."""
    trail: Trail = st.session_state[_TRAIL]
    return [name for name in trail.last if name.startswith(_BOUNDS)]


def write(changes: Mapping[str, Sequence[str]]) -> None:
    """Sets parameters, or takes those without values out of the address; for callbacks."""
    trail: Trail = st.session_state[_TRAIL]
    changed = {**trail.last, **{name: tuple(new) for name, new in changes.items()}}
    query = {name: new for name, new in changed.items() if new}
    st.session_state[_TRAIL] = Trail(query, before=trail.last)
    _show(query)


def multiselect(label: str, options: Sequence[str], name: str, **more: Any) -> list[str]:
    """Streamlit's, whose values are a parameter's."""
    _follow(name, [value for value in values(name) if value in options], tuple(options))
    return st.multiselect(label, options, key=name, on_change=_take_list, args=(name,), **more)


def selectbox(label: str, options: Sequence[str], name: str, **more: Any) -> str:
    """Streamlit's, whose value is a parameter's; the first option is left out of the address."""
    wanted = next((value for value in values(name) if value in options), options[0])
    _follow(name, wanted, tuple(options))
    return str(st.selectbox(label, options, key=name, on_change=_take_option, args=(name, options[0]), **more))


def slider(label: str, low: float, high: float, step: float, name: str, *, default: float, **more: Any) -> None:
    """Streamlit's, which shows a parameter that is a number; `default`, one of its ends, is left out of the address."""
    wanted = number(name)
    _follow(name, default if wanted is None else min(max(wanted, low), high), (low, high, step))
    st.slider(label, low, high, step=step, key=name, on_change=_take_number, args=(name, default), **more)


def number_input(label: str, name: str, **more: Any) -> None:
    """Streamlit's, which shows a parameter that is a number, or nothing."""
    _follow(name, number(name), None)
    st.number_input(label, min_value=0.0, value=None, key=name, on_change=_take_number, args=(name, None), **more)


def _follow(key: str, wanted: Any, shape: object) -> None:
    """Has a widget show what the address says; left alone where it does, as a value that is set anew stops typing."""
    shape_key = f"{key} shape"
    if st.session_state.get(key) != wanted or st.session_state.get(shape_key) != shape:
        st.session_state[key] = wanted
    st.session_state[shape_key] = shape


def _take_list(name: str) -> None:
    write({name: st.session_state[name]})


def _take_option(name: str, default: str) -> None:
    value = st.session_state[name]
    write({name: [] if value == default else [value]})


def _take_number(name: str, default: float | None) -> None:
    value = st.session_state[name]
    is_default = value is None or (default is not None and math.isclose(value, default))
    write({name: [] if is_default else [f"{value:.10g}"]})


def _asked() -> Query:
    names = [name for name in st.query_params if name in _OWN or name.startswith(_BOUNDS)]
    return {name: tuple(st.query_params.get_all(name)) for name in names}


def _show(query: Query) -> None:
    asked = _asked()
    for name in asked.keys() | query.keys():
        if name not in query:
            st.query_params.pop(name, None)
        elif asked.get(name) != query[name]:
            st.query_params[name] = list(query[name])
