"""Explore: accuracy against cost for every model measured, the front, one model's card, and a link to the view."""

import streamlit as st

from app import escape, text, theme
from app.charts import axes, tradeoff
from app.components import chart_view, empty
from app.explore import card, controls, news, table
from app.tables import board_columns, points, store

token = store.settled_token()
frame = store.points(token)

header = st.container(horizontal=True, vertical_alignment="center")
header.title("What does it cost to make this network smaller?", width="stretch")

if frame.empty:
    empty.show("Every model that you prune appears here: its accuracy against what it costs.")
    st.stop()

if not frame["gallery"].eq(False).any():
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            "These are runs shipped with Espalier: each point is one pruned network, measured on real images; "
            "further left is cheaper, further up is better.",
            width="stretch",
        )
        if st.button("Try your own", icon=":material/content_cut:", type="primary"):
            st.switch_page("../pages/launch.py")

with st.container(horizontal=True, gap="small"):
    view = controls.filter_rows(frame)
news.show(token)

left, right = st.columns([7, 3], gap="medium")
with left, st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    x, log = controls.select_x_axis(view)
    y = controls.select_y_axis(view)
    log_y = st.toggle("Log quality", key="log_y", bind="query-params", help="Logarithmic quality axis.")
    compare = st.toggle(
        "Against baseline",
        key="against",
        bind="query-params",
        help="What is lost, against how many times smaller or faster it is, each model beside its own baseline.",
    )
    before = st.toggle("Before recovery", key="before", bind="query-params", help="Hollow: before its recovery.")
    steps = st.toggle(
        "All steps",
        key="steps",
        bind="query-params",
        help="Also what was measured between phases, and after each step of an iterative one.",
    )
    int8 = view["int8"].any() and st.toggle("INT8", True, key="int8", bind="query-params")
    host = controls.select_host_conditions(view)
    board = controls.select_board_conditions(view, x)

view = points.with_latency(points.select(view, before=before, steps=steps, int8=int8), host)
view = board_columns.with_board(view, board)
hidden = chart_view.hidden("tradeoff")
plot_rows = tradeoff.shown(view.dropna(subset=[x.column, y.column]), hidden)
pruned = plot_rows[~plot_rows["baseline"]]

with left:
    canvas = st.container()
    budget = controls.select_budget(pruned, x, y)

selected = controls.selected_point(view, plot_rows)
with canvas:
    drawn_x, drawn_y = axes.relative(x, y) if compare else (x, y)
    if view[[x.column, y.column]].dropna().empty:
        quality, cost = escape.markdown(y.label), escape.markdown(x.label)
        st.info(f"None of the chosen runs has both {quality} and {cost} yet.", icon=":material/scatter_plot:")
    else:
        marks = tradeoff.Marks(
            front=points.front(plot_rows, x.column, y.column, y_better=y.better),
            best=budget.best,
            at_most=budget.at_most,
            at_least=budget.at_least,
            hidden=hidden,
        )
        note = board.label if board else (text.host_conditions(host) if host and x.column == "latency" else "")
        st.plotly_chart(
            tradeoff.figure(view, drawn_x, drawn_y, ink=theme.ink(), log=log, log_y=log_y, marks=marks, note=note),
            key="tradeoff",
            on_select=controls.select_clicked,
            selection_mode="points",
            config={"displaylogo": False, "toImageButtonOptions": {"filename": "espalier", "scale": 2}},
            alt=tradeoff.describe(plot_rows, drawn_x, drawn_y, budget.best),
        )
        chart_view.keep("tradeoff", selected=selected, ring=tradeoff.position(plot_rows, selected, drawn_x, drawn_y))

with right, st.container(border=True):
    if selected is None:
        st.markdown("**No model selected**")
        st.caption("Click a point, or a row of the table, to see its layers, what it gains and loses, and its files.")
    else:
        card.show(*points.row_with_latency(view, selected, host), board_columns.board_result(view, selected, board))

with header:
    with st.popover("Link", icon=":material/link:"):
        st.caption("Opens this view: filters, axes, budget and the selected model.")
        st.code(controls.view_link(), language=None, wrap_lines=True)
    st.download_button(
        "CSV",
        table.csv(view, host, board),
        file_name="espalier-points.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )

table.show(view.sort_values(["baseline", x.column], ascending=[True, True]), host, board)
