"""Explore: accuracy against cost for every model measured, the front, one model's card, and a link to the view."""

import streamlit as st

from app.charts import tradeoff
from app.components import empty
from app.components.layer_times import dialog
from app.explore import address, answer, budget, card, chosen, controls, filters, headline, news, picture, plot
from app.explore.table import table
from app.explore.techniques import view as techniques
from app.tables import selection, store

token = store.settled_token()
frame, version = store.points_and_version(token)

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
middle = st.container()
explanation, sliders = st.container(), st.container()
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    view = controls.show(shown)
    filters.show(frame, shown)
    rows = view.rows(shown)
    chosen.show_button(rows["id"])
    controls.show_exports(lambda: table.csv(rows, view.host, view.board))
with explanation:
    headline.explain(frame, shown, view.y)

drawn = selection.known(rows, [view.x.column, view.y.column])
seen = tradeoff.shown(drawn, plot.hidden())
pruned = seen.loc[~seen["baseline"], budget.columns(view.x, view.y)]
with sliders:
    limits = budget.show(pruned, view.x, view.y, budget.other_costs(pruned, view.x))

asked = controls.selected_point(rows, None)
found = None if seen.empty else answer.answer(seen, view.x, view.y, limits, asked)
best = None if found is None else found.point
selected = controls.selected_point(rows, best)
if found is not None:
    with head:
        headline.show(found, seen, view.y)

with middle:
    if view.by_technique:
        techniques.show(rows, view, limits)
    else:
        picture.show(picture.Picture(rows, drawn, view, limits, best, of=(version, filters.asked())))

table_side, card_side = st.columns([7, 3], gap="medium")
with table_side:
    table.show(rows, view, selected)
with card_side:
    if controls.is_chosen_in_table():
        with st.container(border=True, height=plot.HEIGHT, gap="xsmall"):
            card.show_selected(rows, selected, view, "This row is not shown any more.", place="table")
    else:
        st.caption(
            "Tick a row, or step through its cells with the arrow keys, and its card stands here. Space ticks one more "
            "row; Enter does nothing."
        )

dialog.show(frame, "explore", token)
