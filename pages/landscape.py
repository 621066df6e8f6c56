"""Landscape: accuracy over depth kept × width kept, what the same budget can buy, and the networks behind it."""

import streamlit as st

from app import escape, theme
from app.charts.landscape import heat_map, view
from app.components import chart_view
from app.components.error_boundary import error_boundary
from app.landscape import address, card, choice, form, live, manage
from app.tables import landscapes, store

token = store.settled_token()
jobs = landscapes.landscapes(token)

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("How much depth, how much width?", width="stretch")
    if jobs:
        with st.popover("Link", icon=":material/link:"):
            st.caption("Opens this view: the landscape, what it is compared with, and the cell.")
            link_place = st.empty()
        form.draw(jobs)

if not jobs:
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown(
            "A landscape shows what is left of a network's accuracy when so much of its depth and so much of its "
            "width is kept: dozens of networks, cut and reconstructed without any training.",
            text_alignment="center",
        )
        form.draw(jobs, first=True)
    st.stop()

live.show(token)
chosen = choice.draw(jobs)
link_place.code(address.link(), language=None, wrap_lines=True)
manage.show_state(chosen.job)

if chosen.damage is not None:
    st.error(escape.message(chosen.damage), title="This landscape cannot be read", icon=":material/error:")
elif chosen.grid is None:
    st.caption("Nothing is measured yet: the map appears with the first cell.")
else:
    whole = choice.make_view(chosen)
    cell = card.choose(chosen.grid, whole.cells, choice.first_cell(whole, chosen.grid))
    st.markdown(escape.markdown(choice.answer(whole, chosen), escape.LONGEST_SENTENCE))
    left, right = st.columns([7, 3], gap="medium")
    with left:
        shown = choice.select(whole, (cell.depth, cell.width))
        st.plotly_chart(
            heat_map.figure(shown, ink=theme.ink()),
            key=choice.CHART,
            on_select=choice.select_clicked,
            selection_mode="points",
            config={"displayModeBar": False},
            alt=view.describe(shown),
        )
        chart_view.keep(choice.CHART, selected=None, rings=())
    with right, st.container(border=True), error_boundary():
        card.show(chosen.grid, cell, chosen.quantity, str(chosen.job["criterion"]))

manage.show_details(chosen.job, chosen.grid)
