"""The trade-off chart on its page: what it points out, and the click that selects a point."""

import pandas as pd
import streamlit as st

from app import escape, theme
from app.charts import tradeoff
from app.components import chart_view
from app.explore import chosen, controls
from app.explore.budget import Budget
from app.tables import selection

HEIGHT = 450  # more than half of a laptop's first screen, of which the answer and the sliders take the rest
_KEY = "tradeoff"


def hidden() -> frozenset[str]:
    """The criteria that the user has switched off in the legend."""
    return chart_view.hidden(_KEY)


def is_drawn() -> bool:
    """Whether this session has the chart on its page already."""
    return _KEY in st.session_state


def show(rows: pd.DataFrame, view: controls.View, limits: Budget, best: str | None, selected: str | None) -> None:
    """Draws the rows that have both quantities, and a ring around the network that the answer speaks of.

    Where networks of several baselines are drawn, of which a click decides between, only a budget has its best one
    ringed: the answer's would move with every click.
    """
    x, y = view.axes
    if rows.empty:
        quality, cost = escape.markdown(view.y.label), escape.markdown(view.x.label)
        st.info(f"None of the chosen runs has both {quality} and {cost} yet.", icon=":material/scatter_plot:")
        return
    drawn = tradeoff.shown(rows, hidden())
    marks = tradeoff.Marks(
        front=selection.front(drawn, view.x.column, view.y.column, y_better=view.y.better),
        best=best if limits or selection.baseline_key(drawn).nunique() == 1 else None,
        at_most=None if limits.at_most is None else limits.at_most * view.x.factor,
        at_least=None if limits.at_least is None else limits.at_least * view.y.factor,
        hidden=hidden(),
    )
    st.plotly_chart(
        tradeoff.figure(rows, x, y, ink=theme.ink(), log=view.log, log_y=view.log_y, marks=marks, note=view.note),
        key=_KEY,
        height=HEIGHT,
        on_select=controls.select_clicked,
        selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier", "scale": 2}},
        alt=tradeoff.describe(drawn, x, y, best if limits else None),
    )
    ringed = {*chosen.ids(set(drawn["id"])), *([] if selected is None else [selected])}
    chart_view.keep(_KEY, selected=selected, rings=tradeoff.positions(drawn, ringed, x, y))
