"""Devices: the boards and their states; models to time on them, live; and the measurements, beside the host's."""

import streamlit as st

from app.components import empty
from app.devices import cards, measurements, timing_form, timing_history, timing_live
from app.tables import store

token = store.settled_token()
boards, damage = cards.load_boards()
frame = store.points(token)
timings = store.timings(token)

cards.head(boards)

if damage is not None:
    st.error(damage, title="The devices cannot be read", icon=":material/error:")
elif boards:
    cards.draw(boards)
    timing_form.draw(boards, frame, token)
else:
    empty.invite(
        "Boards that networks are timed on over SSH, such as a Jetson TX2: how they stand, how long your models "
        "take there, and what it draws. A board needs an SSH server, Python 3.6 and TensorRT or ONNX Runtime.",
        "Add a device",
        ":material/add:",
        on_click=cards.begin_adding,
    )

timing_live.show(token)
ended_timings = [timing for timing in timings if timing["state"] not in store.ACTIVE]
if ended_timings:
    st.subheader("Timings")
    timing_history.show(ended_timings, frame)
if not frame.empty:
    measurements.show(frame)
