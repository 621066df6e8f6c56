"""The trade-off chart on its page: what it points out, and the click that selects a point."""

import pandas as pd
import streamlit as st

from app import escape, theme
from app.charts import tradeoff
from app.explore import controls
from app.explore.budget import Budget
from app.tables import selection

HEIGHT = 450  # more than half of a laptop's first screen, of which the answer and the sliders take the rest
_CLICKED_SIZE = 16  # px


def show(drawn: pd.DataFrame, view: controls.View, limits: Budget, best: str | None) -> None:
    """Draws the rows that have both quantities, and a ring around the network that the answer speaks of.

    A figure that differs in anything is a new chart to the browser, without the zoom and the hidden entries of the old
    one. So nothing in it goes by the selected point, which Plotly itself shows where it was clicked; and where networks
    of several baselines are drawn, of which a click decides between, only a budget has its best one ringed.
    """
    x, y = view.x, view.y
    if drawn.empty:
        quality, cost = escape.markdown(y.label), escape.markdown(x.label)
        st.info(f"None of the chosen runs has both {quality} and {cost} yet.", icon=":material/scatter_plot:")
        return
    marks = tradeoff.Marks(
        front=selection.front(drawn, x.column, y.column, y_better=y.better),
        best=best if limits or selection.baseline_key(drawn).nunique() == 1 else None,
        at_most=None if limits.at_most is None else limits.at_most * x.factor,
        at_least=None if limits.at_least is None else limits.at_least * y.factor,
    )
    figure = tradeoff.figure(drawn, x, y, ink=theme.ink(), log=view.log, marks=marks, note=view.note)
    for trace in figure.data:
        if trace.customdata is not None:
            trace.selected.marker.size = _CLICKED_SIZE
    st.plotly_chart(
        figure,
        key="tradeoff",
        height=HEIGHT,
        on_select=controls.select_clicked,
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier", "scale": 2}},
        alt=tradeoff.describe(drawn, x, y, best if limits else None),
    )
