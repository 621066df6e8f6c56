"""Explore: accuracy against cost for every model measured, the front, one model's card, and a link to the view."""

import streamlit as st

from app import escape, theme
from app.charts import tradeoff
from app.components import empty
from app.explore import address, answer, budget, card, controls, filters, headline, news, table
from app.tables import points, selection, store

CHART_HEIGHT = 440

token = store.settled_token()
frame = store.points(token)

header = st.container(horizontal=True, vertical_alignment="center")
header.title("What does it cost to make this network smaller?", width="stretch")

if frame.empty:
    empty.show("Every model that you prune appears here: its accuracy against what it costs.")
    st.stop()

address.open_page()
with header:
    news.show(token)
filters.show_unknown(frame)
shown = filters.narrow(frame)

# What is seen first stands first, on a narrow screen, too; what decides about it stands below.
head = st.container()
left, right = st.columns([7, 3], gap="medium")
explanation, sliders = st.container(), st.container()
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    view = controls.show(shown)
    filters.show(frame, shown)
    rows = view.rows(shown)
    controls.show_exports(lambda: table.csv(rows, view.host, view.board))
with explanation:
    headline.explain(frame, shown, view.y)

drawn = rows.dropna(subset=[view.x.column, view.y.column])
pruned = drawn[~drawn["baseline"]]
with sliders:
    limits = budget.show(pruned, view.x, view.y, budget.other_costs(pruned, view.x))

selected = None
if drawn.empty:
    quality, cost = escape.markdown(view.y.label), escape.markdown(view.x.label)
    left.info(f"None of the chosen runs has both {quality} and {cost} yet.", icon=":material/scatter_plot:")
    selected = controls.selected_point(rows, None)
else:
    chosen = controls.selected_point(rows, None)
    found = answer.answer(drawn, view.x, view.y, limits, chosen)
    selected = controls.selected_point(rows, found.point)
    with head:
        headline.show(found, drawn, view.y)
    marks = tradeoff.Marks(
        front=selection.front(drawn, view.x.column, view.y.column, y_better=view.y.better),
        selected=selected,
        best=found.point if limits else None,
        at_most=None if limits.at_most is None else limits.at_most * view.x.factor,
        at_least=None if limits.at_least is None else limits.at_least * view.y.factor,
    )
    figure = tradeoff.figure(drawn, view.x, view.y, ink=theme.ink(), log=view.log, marks=marks, note=view.note)
    # A drawing with the same axes keeps the part that was zoomed to, and the entries that the legend hides.
    figure.update_layout(uirevision=f"{view.x.key} {view.y.column} {view.log}")
    left.plotly_chart(
        figure,
        key="tradeoff",
        height=CHART_HEIGHT,
        on_select=controls.select_clicked,
        selection_mode="points",
        config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier", "scale": 2}},
        alt=tradeoff.describe(drawn, view.x, view.y, marks.best),
    )

with right.container(border=True, height=CHART_HEIGHT):
    card.show_selected(rows, selected, view, "Click a point, or a row of the table, to see its layers and files.")

table_side, card_side = st.columns([7, 3], gap="medium")
with table_side:
    table.show(rows.sort_values(["baseline", view.x.column]), view.host, view.board, selected)
with card_side:
    if controls.is_chosen_in_table():
        with st.container(border=True, height=table.HEIGHT):
            card.show_selected(rows, selected, view, "This row is not shown any more.", place="table")
    else:
        st.caption("Tick a row, or step through its cells with the arrow keys, and its card stands here.")
