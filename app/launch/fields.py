"""The launch form's number fields: whatever is typed reaches the request, and the engine says what is allowed.

A browser's own number field keeps what it refuses to itself, and goes on with the last value that it took.
"""

import re
from typing import Any

import streamlit as st

from app.launch.request import Wrong
from engine.spec.messages import quote

Typed = int | float | str | None  # a number; the text as it was typed, where it is none; None of an optional field

_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,' ]\d{3})+")
_DIGITS = 12  # after the point, in what per cent come to


def whole(label: str, default: int | None, key: str, *, step: int = 0, **options: Any) -> Typed:
    """A field of a whole number. `step` puts − and + beside it, so that it can be changed without a keyboard."""
    return _field(label, default, key, is_whole=True, step=step, **options)


def number(label: str, default: float | None, key: str, *, step: float = 0, **options: Any) -> Typed:
    """A field of any number; `50 %` is 0.5, and so is `0,5`."""
    return _field(label, default, key, is_whole=False, step=step, **options)


def per_cent(
    label: str, default: float | None, key: str, field: str, what: str, **options: Any
) -> float | Wrong | None:
    """A field of per cent, as the share that the engine has it as; `field` is the engine's, `what` the form's name."""
    value = read(_text(label, default, key, **options).removesuffix("%").strip())
    if value is None and default is None:
        return None
    if not isinstance(value, int | float) or not 0 < value < 100:
        found = "nothing" if value is None else quote(value)
        return Wrong(field, f"{what} must be a number above 0 and below 100 per cent (got {found})")
    return round(value / 100, _DIGITS)


def read(text: str, *, is_whole: bool = False) -> Typed:
    """The number that a text stands for, None of an empty one; a text that is no number stays as it is."""
    plain = " ".join(text.replace("−", "-").split())
    if not plain:
        return None
    body = plain.removesuffix("%").rstrip()
    if is_whole and _THOUSANDS.fullmatch(body):
        body = re.sub(r"[,' ]", "", body)
    try:
        value = float(body.replace(",", "."))
    except ValueError:
        return text
    if plain.endswith("%"):
        value = round(value / 100, _DIGITS)
    return int(value) if is_whole and value.is_integer() else value


def shown(value: float | None) -> str:
    """A number as a field shows it, so that reading it gives the same number; "" for none."""
    if value is None:
        return ""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if float(short) == value else repr(value)


def _field(label: str, default: float | None, key: str, *, is_whole: bool, step: float = 0, **options: Any) -> Typed:
    """The field. An optional one, whose default is None, may be empty; of any other that is what the engine refuses."""
    if not step:
        text = _text(label, default, key, **options)
    else:
        with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="xxsmall"):
            text = _text(label, default, key, **options)
            for sign, by in (("−", -step), ("+", step)):
                st.button(sign, key=f"{key}{sign}", on_click=_add, args=(key, by, is_whole), width=32)
    value = read(text, is_whole=is_whole)
    return text if value is None and default is not None else value


def _text(label: str, default: float | None, key: str, **options: Any) -> str:
    text: str = st.text_input(label, shown(default), key=key, persist_state="session", **options)
    return text


def _add(key: str, by: float, is_whole: bool) -> None:
    """Changes a field by a step; one that holds no number, or would fall below 0, stays as it is."""
    value = read(st.session_state[key], is_whole=is_whole)
    if isinstance(value, int | float) and value + by >= 0:
        st.session_state[key] = shown(round(value + by, _DIGITS))
