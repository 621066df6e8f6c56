"""What a chart keeps while a page is drawn again: the user's zoom, the ring around the selected point, the legend.

Streamlit makes a new element of each figure that differs from the one before. So a figure must not depend on what is
selected, and a click on its legend comes here, that what is switched off can leave the front, too.
"""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

_view = st.components.v2.component(
    "chart_view", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"), isolate_styles=False
)


def hidden(chart: str) -> frozenset[str]:
    """The groups that the user has switched off in the legend of the chart of this key."""
    return frozenset(st.session_state.get(f"{chart}_hidden", ()))


def keep(chart: str, *, selected: str | None, rings: Sequence[tuple[float, float]]) -> None:
    """Keeps the view of the chart of this key, drawn in the same run, and sets its rings around chosen points.

    `rings` are where these lie, in the axes' units.
    """
    _view(
        key=f"{chart}_view",
        data={
            "chart": chart,
            "selected": selected,
            "rings": [list(place) for place in rings],
            "hidden": sorted(hidden(chart)),
        },
        on_hidden_change=lambda: _remember_hidden(chart),
    )


def _remember_hidden(chart: str) -> None:
    """Beside the component's own state, which ends when the user looks at another page."""
    groups = st.session_state[f"{chart}_view"].get("hidden") or ()
    st.session_state[f"{chart}_hidden"] = tuple(group for group in groups if isinstance(group, str))
