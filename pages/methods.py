"""Methods: what each criterion, order and method does, at work on a small network, and a tour of one experiment."""

import streamlit as st

from app.methods import cards, live, tour

header = st.container(horizontal=True, vertical_alignment="center")
header.title("How pruning works", width="stretch")
with header:
    tour.offer()
tour.show()

kind, card = cards.select()
if card is None:
    cards.show_all(kind)
else:
    left, right = st.columns([2, 3], gap="medium")
    with left:
        cards.show_one(card)
    with right:
        live.show(card)
