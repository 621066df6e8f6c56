"""Compare: two to six models or groups beside each other, in figures, by layer, by class, by image, over seeds."""

import streamlit as st

from app.compare import layers, metrics, per_image, seeds, selection
from app.compare.models import differing_data, read_models
from app.components import empty
from app.components.layer_times import dialog
from app.tables import store

token = store.settled_token()
frame = store.points(token)

st.title("Compare models")

if frame.empty:
    empty.show("Models stand here beside each other as soon as one was pruned: figures, layers, classes, images.")
    st.stop()

ids = selection.choose(frame)
if len(ids) < 2:
    sentence = "Choose one more model to compare it with." if ids else "Choose two to six models in the list above."
    example = selection.example(frame)
    if example and not ids:
        said = f"{sentence} Or begin with a model's card on Explore."
        if empty.invite(said, "Show an example", ":material/compare_arrows:"):
            selection.open_comparison(example)
            st.rerun()
    else:
        st.info(sentence, icon=":material/compare_arrows:")
    st.stop()

models, host = read_models(frame, ids)
if note := differing_data(models):
    st.info(note, icon=":material/info:")

metrics.show(models, host)

st.subheader("Layers")
layers.show(models, token)

per_image.show(models)

seeds.show(frame, models)

dialog.show(frame, "compare", token)
