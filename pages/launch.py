"""Launch: six short sections ask for runs; what they would cost is shown while they are being filled in."""

import streamlit as st

from app import data, fields, forms, launching

token = data.settled_token()
with st.container(horizontal=True):
    st.title("Prune a network")

form, aside = st.columns([13, 8], gap="medium")
with form:
    asked = fields.form()

runs = asked.request if isinstance(asked.request, forms.Refusal) else forms.build(asked.request)
with aside:
    launching.aside(runs, asked, past=data.runs(token))
