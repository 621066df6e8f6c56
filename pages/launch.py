"""Launch: six short sections ask for runs; what they would cost is shown while they are being filled in."""

import streamlit as st

from app.launch import form, preview, request
from app.tables import store

token = store.settled_token()
with st.container(horizontal=True):
    st.title("Prune a network")

left, right = st.columns([13, 8], gap="medium")
with left:
    filled = form.draw()

runs = filled.request if isinstance(filled.request, request.Refusal) else request.build(filled.request)
with right:
    preview.aside(runs, filled, past=store.runs(token))
