"""Devices: the boards and how they stand; models to time on them, live; and what was measured, beside the host."""

import streamlit as st

from app import boards, data, results, timing_form, timing_history, timing_live, view

token = data.settled_token()
devices, damaged = boards.listed()
frame = data.points(token)
timings = data.timings(token)

boards.head(devices)

if damaged is not None:
    st.error(damaged, title="The devices cannot be read", icon=":material/error:")
elif devices:
    boards.cards(devices)
    timing_form.form(devices, frame, token)
else:
    view.nothing_yet(
        "Boards that networks are timed on over SSH, such as a Jetson TX2: how they stand, how long your models "
        "take there, and what it draws. A board needs an SSH server, Python 3.6 and TensorRT or ONNX Runtime.",
        "Add a device",
        ":material/add:",
        on_click=boards.begin_adding,
    )

timing_live.board(token)
ended = [timing for timing in timings if timing["state"] not in data.ACTIVE]
if ended:
    st.subheader("Timings")
    timing_history.show(ended, frame)
if not frame.empty:
    results.show(frame)
