"""What a browser does around every page: its notification of a run's end, the menu of a phone, and a key in tables."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

_SWITCH = "tell_endings"  # the switch's key
_BATCH = "told_endings"  # in the session: what was told last
_KEY = "frame"

_frame = st.components.v2.component(
    "frame", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"), isolate_styles=False
)


@dataclass(frozen=True)
class Ending:
    """That runs have ended: what is said of them, and where what came out, or why nothing did, is shown."""

    text: str
    link: str


def show(page: str, endings: Sequence[Ending]) -> None:
    """Once on every page, whose name it has; tells the browser of endings where the user has asked for that.

    It is there before there is news, so that nothing on the page moves when there is.
    """
    if endings and st.session_state.get(_SWITCH):
        number, _ = st.session_state.get(_BATCH, (0, ()))
        st.session_state[_BATCH] = (number + 1, tuple(endings))
    number, told = st.session_state.get(_BATCH, (0, ()))
    said = [asdict(ending) for ending in told]
    data = {"page": page, "switch": _SWITCH, "batch": number, "endings": said}
    _frame(key=_KEY, data=data, height=1, on_permission_change=lambda: None)


def show_switch() -> None:
    """The switch for notifications, which is off at first, and why there are none where the browser refuses them."""
    is_on = st.toggle(
        "Notify me when a run ends",
        key=_SWITCH,
        persist_state="session",
        help="By a notification of the browser, as long as the dashboard is open in some tab of it.",
    )
    state = st.session_state.get(_KEY)
    permission = None if state is None else state.get("permission")
    if is_on and permission in ("denied", "unsupported"):
        st.caption(":material/notifications_off: This browser allows no notifications from here; its settings decide.")
