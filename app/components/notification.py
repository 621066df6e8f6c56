"""The browser's own word that runs have ended, for those who look at something else, where it is allowed."""

import re
from itertools import count
from pathlib import Path

import streamlit as st

_browser = st.components.v2.component(
    "notification", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"), isolate_styles=False
)
_ENDINGS, _PERMISSION, _KEY = "notification_endings", "notification_permission", "notification"  # in the session
_BUTTON = "notify_me"
_KEPT = 5  # endings, of which the browser tells each once
_LINK = re.compile(r"\s*\[[^]]*\]\([^)]*\)")
_ESCAPED = re.compile(r"\\(.)")
_numbers = count()


def add(sentence: str) -> None:
    """Has the browser say a sentence of Markdown, too, without its links."""
    endings = [*st.session_state.get(_ENDINGS, ()), {"id": next(_numbers), "text": plain(sentence)}]
    st.session_state[_ENDINGS] = endings[-_KEPT:]


def plain(sentence: str) -> str:
    """A sentence of Markdown as plain text, without its links."""
    return _ESCAPED.sub(r"\1", _LINK.sub("", sentence))


def has_any() -> bool:
    """Whether anything has ended since this session began."""
    return bool(st.session_state.get(_ENDINGS))


def keep() -> None:
    """Hands over what has ended, once a page or a fragment; nothing is drawn."""
    _browser(
        key=_KEY,
        data={
            "endings": st.session_state.get(_ENDINGS, []),
            "permission": st.session_state.get(_PERMISSION),
            "button": _BUTTON,
        },
        on_permission_change=_remember,
    )


def offer() -> None:
    """The button that has the browser ask; not where it was asked before, or cannot be."""
    if st.session_state.get(_PERMISSION) == "default":
        st.button(
            "Notify me at the end",
            icon=":material/notifications:",
            type="tertiary",
            key=_BUTTON,
            help="By a notification of this browser, while you look at something else.",
        )


def _remember() -> None:
    st.session_state[_PERMISSION] = st.session_state[_KEY].get("permission")
