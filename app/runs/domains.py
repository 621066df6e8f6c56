"""A run that carries networks from one domain to another, on the page: both accuracies, and its pseudo-labels."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import escape, format, text
from app.charts import pseudo_labels as chart
from engine.storage.folders.run import Run
from engine.storage.records import remarks
from engine.storage.records.event import PseudoLabelAnswers, PseudoLabels
from engine.storage.records.point import Point

_HEIGHT = 260  # px


def show(folder: Run) -> None:
    """Draws what a run on two domains has so far; nothing of any other run."""
    points = [point for point in folder.points() if point.source_top1 is not None]
    taken, answers = folder.events(PseudoLabels), folder.events(PseudoLabelAnswers)
    if points:
        _show_points(folder.id, points, answers)
    if taken:
        st.plotly_chart(
            chart.figure(taken), key=f"pseudo-{folder.id}", config={"displayModeBar": False}, alt=chart.describe(taken)
        )
    for sentence in remarks.of_pseudo_labels(taken, answers):
        st.caption(escape.message(sentence[:1].upper() + sentence[1:] + "."))


def _show_points(run_id: str, points: Sequence[Point], answers: Sequence[PseudoLabelAnswers]) -> None:
    rows = escape.cells(_rows(points, answers).dropna(axis="columns", how="all"))
    share = st.column_config.NumberColumn
    st.dataframe(
        rows,
        key=f"domains-{run_id}",
        hide_index=True,
        placeholder=format.MISSING,
        height=min(_HEIGHT, 38 + 35 * len(rows)),
        column_config={
            "kept": share(format="%.2f×"),
            "target": share("target top-1", format="%.1f %%", help="On the target's test split."),
            "source": share("source top-1", format="%.1f %%", help="On the source's test split."),
            "right": share(
                "pseudo-labels right", format="%.1f %%", help="Counted after the end, when target labels are read."
            ),
        },
        alt="Accuracy on the target and on the source of every point, the last one first",
    )


def _rows(points: Sequence[Point], answers: Sequence[PseudoLabelAnswers]) -> pd.DataFrame:
    right = {each.point: each.share for each in answers}
    return pd.DataFrame(
        [
            {
                "point": point.point,
                "measured": "baseline" if point.stage == "baseline" else _stage_label(point),
                "kept": point.keep,
                "target": _per_cent(point.target_top1),
                "source": _per_cent(point.source_top1),
                "right": _per_cent(right.get(point.point)),
            }
            for point in reversed(points)
        ]
    )


def _stage_label(point: Point) -> str:
    row = {name: getattr(point, name) for name in ("step", "top1", "stage", "final", "phase")}
    return text.stage_label({**row, "int8": point.stage == "quantized"})


def _per_cent(share: float | None) -> float | None:
    return None if share is None else 100 * share
