"""The attempts of one run on the page: a heat map and a table, folded until opened."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import escape, format, text, theme
from app.charts import attempt_map
from engine.storage.folders.run import Run
from engine.storage.records.event import Attempts


def show(folder: Run, steps: Sequence[Attempts]) -> None:
    """Draws the attempts of a run's steps, of which there is at least one."""
    expander = st.expander("Attempts", icon=":material/grid_on:", key=f"attempts-{folder.id}", on_change="rerun")
    if not expander.open:
        return
    with expander:
        attempts = attempt_map.table(steps)
        names = list(dict.fromkeys(attempts["trajectory"]))
        if len(names) > 1:
            trajectory = st.selectbox("Phase", names, key=f"trajectory-{folder.id}", width=260)
            attempts = attempts[attempts["trajectory"] == trajectory]
        _draw(folder, attempts)


def _selects_per_saving(folder: Run) -> bool:
    """Whether channels are selected by harm for each per cent saved, also in a request of another version."""
    width = folder.request().get("width")
    return isinstance(width, dict) and width.get("select") == "per-saving"


def _draw(folder: Run, attempts: Any) -> None:
    measure, phase = str(attempts["measure"].iloc[0]), str(attempts["phase"].iloc[0])
    colour_unit = attempt_map.ColourUnit(measure, phase == "channels" and _selects_per_saving(folder))
    layers = [name for point in folder.points()[:1] for name in point.widths]
    judge = escape.markdown(text.measure_label(measure))
    images = "training" if measure == "reconstruction" else "validation"
    st.caption(
        f"What the network would lose without each of these, judged by {judge} on {images} images: the more "
        "a colour stands out from the page, the more it would hurt. A dot marks what was removed. "
        f"Colours are in {escape.markdown(colour_unit.unit)}."
    )
    st.plotly_chart(
        attempt_map.figure(attempts, layers, colour_unit, ink=theme.ink()),
        key=f"tried-{folder.id}",
        config={"displayModeBar": False},
        alt=attempt_map.describe(attempts),
    )
    st.dataframe(
        escape.cells(attempt_map.display_rows(attempts)),
        hide_index=True,
        placeholder=format.MISSING,
        height=260,
        column_config={
            "target": st.column_config.NumberColumn(format="%.2f×"),
            "saves": st.column_config.NumberColumn(format="%.2f %%", help="Of the untouched network."),
            "rise": st.column_config.NumberColumn(
                format="%.4f", help=f"In {escape.markdown(attempt_map.ColourUnit(measure, False).unit)}."
            ),
            "accuracy": st.column_config.NumberColumn(format="%.1f %%", help="Without it, on validation images."),
            "loss": st.column_config.NumberColumn(format="%.3f", help="Without it, on validation images."),
            "images": st.column_config.NumberColumn(format="localized", help="Seen before it was dropped, or all."),
        },
        alt="Every attempt, the last step first",
    )
