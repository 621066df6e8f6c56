"""Launch: presets, and six short sections that make a request; what its runs would cost is shown beside them."""

import streamlit as st

from app.launch import form, preview, request, submit
from app.launch.presets import buttons, fill
from app.tables import store

token = store.settled_token()
fill.from_address()
with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Prune a network", anchor=False)
    submit.show_way()
buttons.draw()

left, right = st.columns([13, 8], gap="medium")
with left:
    form_state = form.draw()

runs = form_state.request if isinstance(form_state.request, request.Refusal) else request.build(form_state.request)
with right:
    preview.draw(runs, form_state, history=store.runs(token))
