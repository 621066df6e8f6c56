"""What a browser does around every page: its notification of a run's end, the menu of a phone, a key in tables, and
charts' code made ready.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from app import frontend
from app.charts.drawing import Drawing

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


def prepare_charts(page: str) -> None:
    """Has the frontend take in the code of charts on a page that opens with one, first of all on it.

    The frontend asks for the code of an element when it first meets one, shows a grey place until it has it, and then
    fills all such places of the page at once, behind whatever else has come. One that nobody sees is met before the
    page's own.
    """
    if page in frontend.WITH_CHARTS:
        with st.container(key=frontend.UNSEEN):
            st.plotly_chart(
                _nothing(),
                key=f"{frontend.UNSEEN}_chart",
                config={"staticPlot": True},
                alt="No chart: what draws charts is made ready.",
            )


def _nothing() -> Drawing:
    """A figure that is drawn at once."""
    nothing = Drawing()
    nothing.lay_out(xaxis={"visible": False}, yaxis={"visible": False}, height=10)
    return nothing


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
