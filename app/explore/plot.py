"""The trade-off chart on its page: what it points out, and the click that selects a point."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import escape, theme
from app.charts import tradeoff
from app.charts.drawing import Drawing
from app.components import chart_view
from app.explore import chosen, controls
from app.explore.budget import Budget
from app.tables import selection

HEIGHT = 450  # more than half of a laptop's first screen, of which the answer and the sliders take the rest
_KEY = "tradeoff"
_MOST_KEPT = 8  # charts, of some thousand points at most each


@dataclass(frozen=True)
class _Drawing:
    """The chart, and itself in one sentence."""

    figure: Drawing
    sentence: str


def hidden() -> frozenset[str]:
    """The criteria that the user has switched off in the legend."""
    return chart_view.hidden(_KEY)


def is_drawn() -> bool:
    """Whether this session has the chart on its page already."""
    return _KEY in st.session_state


def show(
    rows: pd.DataFrame, view: controls.View, limits: Budget, best: str | None, selected: str | None, of: object
) -> None:
    """Draws the rows that have both quantities, and a ring around the network that the answer speaks of.

    Where networks of several baselines are drawn, of which a click decides between, only a budget has its best one
    ringed: the answer's would move with every click. `of` is another one where other rows are shown in the same view.
    """
    x, y = view.axes
    if rows.empty:
        quality, cost = escape.markdown(view.y.label), escape.markdown(view.x.label)
        st.info(f"None of the chosen runs has both {quality} and {cost} yet.", icon=":material/scatter_plot:")
        return
    # Of the very same rows the best one without a budget is the same, too, where there is one baseline.
    key = repr((of, view, limits, best if limits else None, sorted(hidden()), theme.ink()))
    drawing = _drawing(key, rows, view, limits, best)
    st.plotly_chart(
        drawing.figure,
        key=_KEY,
        height=HEIGHT,
        on_select=controls.select_clicked,
        selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier", "scale": 2}},
        alt=drawing.sentence,
    )
    drawn = tradeoff.shown(rows, hidden())
    ringed = {*chosen.ids(drawn["id"]), *([] if selected is None else [selected])}
    chart_view.keep(_KEY, selected=selected, rings=tradeoff.positions(drawn, ringed, x, y))


@st.cache_resource(max_entries=_MOST_KEPT, show_spinner=False)
def _drawing(key: str, _rows: pd.DataFrame, _view: controls.View, _limits: Budget, _best: str | None) -> _Drawing:
    """The chart, which is the same whichever point is selected, and takes longer than all else on the page."""
    x, y = _view.axes
    drawn = tradeoff.shown(_rows, hidden())
    marks = tradeoff.Marks(
        front=selection.front(drawn, _view.x.column, _view.y.column, y_better=_view.y.better),
        best=_best if _limits or selection.baseline_key(drawn).nunique() == 1 else None,
        at_most=None if _limits.at_most is None else _limits.at_most * _view.x.factor,
        at_least=None if _limits.at_least is None else _limits.at_least * _view.y.factor,
        hidden=hidden(),
    )
    figure = tradeoff.figure(
        _rows, x, y, ink=theme.ink(), log=_view.log, log_y=_view.log_y, marks=marks, note=_view.note
    )
    return _Drawing(figure, tradeoff.describe(drawn, x, y, _best if _limits else None))
