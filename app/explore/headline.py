"""The answer above the chart with the network that it speaks of, and the sentence that explains the chart."""

from typing import Any

import pandas as pd
import streamlit as st

from app import escape, text
from app.charts import axes
from app.explore import controls
from app.explore.answer import Answer
from app.methods import tour
from app.tables import selection, store

_UNDERSTOOD = "explore_understood"  # in the session: the explaining sentence was taken away


def show(answer: Answer, rows: pd.DataFrame, y: axes.Axis) -> None:
    """The sentence, what it is about, and the network it speaks of: to be seen on its card, and to be taken along."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(gap=None, width="stretch"):
            st.markdown(f"**{escape.message(answer.sentence)}**")
            st.caption(escape.markdown(answer.about, escape.LONGEST_SENTENCE))
        if answer.point is None:
            return
        row = selection.row(rows, answer.point)
        with st.container(horizontal=True, width="content", gap="xsmall"):  # together on one line, on a phone, too
            st.button(
                f"{escape.markdown(text.title(row))}, {axes.value_label(row[y.column], y)}",
                icon=":material/star:",
                help="The model of this sentence. Click to see its layers and files.",
                on_click=controls.select,
                args=(answer.point,),
                key="answer",
            )
            _offer_onnx(row)


def _offer_onnx(row: dict[str, Any]) -> None:
    run = store.run_or_none(str(row["run_id"]))
    path = None if run is None else run.path / "models" / f"p{row['point']}.onnx"
    if path is not None and path.is_file():
        st.download_button(
            "Download model",
            path.read_bytes,
            file_name=f"{row['id']}.onnx",
            mime="application/octet-stream",
            icon=":material/deployed_code:",
            on_click="ignore",
            key="answer-file",
            help="Its file for ONNX Runtime, TensorRT and others.",
        )


def explain(frame: pd.DataFrame, shown: pd.DataFrame, y: axes.Axis) -> None:
    """What a point is and which way is better, until the reader takes it away; and the way to a first run."""
    has_own = bool(frame["gallery"].eq(False).any())
    if st.session_state.get(_UNDERSTOOD):
        return
    better = "up" if y.better == "high" else "down"
    whose = "These are runs shipped with Espalier: each" if shown["gallery"].all() else "Each"
    paler = " Shipped runs are paler than yours." if shown["gallery"].nunique() > 1 else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width="stretch"):
            st.caption(
                f"{whose} point is one pruned network, measured on real images; further left is cheaper, further "
                f"{better} is better. A line joins the targets of one run; the dashed line is the network before "
                f"pruning.{paler}"
            )
        with st.container(horizontal=True, width="content", gap="xsmall"):
            if not has_own and st.button("Try your own", icon=":material/content_cut:", type="primary"):
                st.switch_page("../pages/launch.py")
            st.page_link(
                "../pages/methods.py", label="Take the tour", icon=":material/school:", query_params=tour.FIRST_STEP
            )
            st.button("Understood", icon=":material/check:", type="tertiary", on_click=_dismiss)


def _dismiss() -> None:
    st.session_state[_UNDERSTOOD] = True
