"""The trade-off chart on its page: what it points out, and the click that selects a point."""

import pandas as pd
import streamlit as st

from app import escape, theme
from app.charts import tradeoff
from app.explore import controls
from app.explore.budget import Budget
from app.tables import selection

HEIGHT = 440  # more than half of a laptop's first screen, of which the answer and the controls take the rest


def show(drawn: pd.DataFrame, view: controls.View, limits: Budget, best: str | None, selected: str | None) -> None:
    """Draws the rows that have both quantities; `best` is what the budget favours, ringed where there is a budget."""
    x, y = view.x, view.y
    if drawn.empty:
        quality, cost = escape.markdown(y.label), escape.markdown(x.label)
        st.info(f"None of the chosen runs has both {quality} and {cost} yet.", icon=":material/scatter_plot:")
        return
    marks = tradeoff.Marks(
        front=selection.front(drawn, x.column, y.column, y_better=y.better),
        selected=selected,
        best=best if limits else None,
        at_most=None if limits.at_most is None else limits.at_most * x.factor,
        at_least=None if limits.at_least is None else limits.at_least * y.factor,
    )
    figure = tradeoff.figure(drawn, x, y, ink=theme.ink(), log=view.log, marks=marks, note=view.note)
    # A drawing with the same axes keeps the part that was zoomed to, and the entries that the legend hides.
    figure.update_layout(uirevision=f"{x.key} {y.column} {view.log}")
    st.plotly_chart(
        figure,
        key="tradeoff",
        height=HEIGHT,
        on_select=controls.select_clicked,
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier", "scale": 2}},
        alt=tradeoff.describe(drawn, x, y, marks.best),
    )
