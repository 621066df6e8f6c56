"""The attempts of one run on the page: a heat map and a table, folded until they are asked for."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import format, text, theme
from app.charts import attempt_map
from engine.storage.job_folder import Run
from engine.storage.records.event import Attempts


def show(folder: Run, steps: Sequence[Attempts]) -> None:
    """Draws what the steps of a run tried, of which there is at least one."""
    folded = st.expander("Attempts", icon=":material/grid_on:", key=f"attempts-{folder.id}", on_change="rerun")
    if not folded.open:
        return
    with folded:
        tried = attempt_map.table(steps)
        names = list(dict.fromkeys(tried["trajectory"]))
        if len(names) > 1:
            chosen = st.selectbox("Phase", names, key=f"trajectory-{folder.id}", width=260)
            tried = tried[tried["trajectory"] == chosen]
        _draw(folder, tried)


def _draw(folder: Run, tried: Any) -> None:
    measure, phase = str(tried["measure"].iloc[0]), str(tried["phase"].iloc[0])
    look = attempt_map.ColourUnit(measure, phase == "channels" and folder.spec().width.select == "per-saving")
    layers = [name for point in folder.points()[:1] for name in point.widths]
    st.caption(
        f"What the network would lose without each of these, judged by {text.measure_label(measure)} on validation "
        "images: the more a colour stands out from the page, the more it would hurt. A dot marks what was removed. "
        f"Colours are in {look.unit}."
    )
    st.plotly_chart(
        attempt_map.figure(tried, layers, look, ink=theme.ink()),
        key=f"tried-{folder.id}",
        config={"displayModeBar": False},
        alt=attempt_map.describe(tried),
    )
    st.dataframe(
        attempt_map.readable(tried),
        hide_index=True,
        placeholder=format.MISSING,
        height=260,
        column_config={
            "target": st.column_config.NumberColumn(format="%.2f×"),
            "saves": st.column_config.NumberColumn(format="%.2f %%", help="Of the untouched network."),
            "rise": st.column_config.NumberColumn(
                format="%.4f", help=f"In {attempt_map.ColourUnit(measure, False).unit}."
            ),
            "accuracy": st.column_config.NumberColumn(format="%.1f %%", help="Without it, on validation images."),
            "loss": st.column_config.NumberColumn(format="%.3f", help="Without it, on validation images."),
            "images": st.column_config.NumberColumn(format="localized", help="Seen before it was dropped, or all."),
        },
        alt="Every attempt, the last step first",
    )
