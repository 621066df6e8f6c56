"""One run on the page: what it is in a few words, its learning curves and its attempts."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import text, theme
from app.charts import learning_curves
from app.components import notes
from app.runs import attempts
from engine.storage.job_folder import Run
from engine.storage.records import remarks
from engine.storage.records.event import Epoch


def is_readable(run: Mapping[str, Any]) -> bool:
    """Whether the index has what a run's request says."""
    return all(run[key] is not None for key in ("model", "data", "criterion", "order", "keep"))


def title(run: Mapping[str, Any]) -> str:
    """A run in a few words; one whose request cannot be read goes by its id."""
    if not is_readable(run):
        return str(run["run_id"])
    return (
        f"{run['model']} on {run['data_label']} · {text.criterion_label(run['criterion'])} · "
        f"{text.method(run)} · seed {run['seed']}"
    )


def show_events(run: Mapping[str, Any], folder: Run) -> None:
    """What was decided for a run and what to doubt, its learning curves, and its attempts where there are any."""
    notes.show_remarks(folder.points())
    notes.show(remarks.notes(folder.event_lines()))
    epochs = folder.events(Epoch)
    if epochs:
        show_curves(epochs, key=run["run_id"])
    steps = folder.attempts()
    if steps:
        attempts.show(folder, steps)


def show_curves(epochs: Sequence[Epoch], *, key: str) -> None:
    """Loss and accuracy side by side."""
    ink = theme.ink()
    both: tuple[learning_curves.Quantity, learning_curves.Quantity] = ("loss", "accuracy")
    for column, quantity in zip(st.columns(2), both, strict=True):
        column.plotly_chart(
            learning_curves.figure(epochs, quantity, ink=ink),
            key=f"{quantity}-{key}",
            config={"displayModeBar": False},
            alt=learning_curves.describe(epochs, quantity),
        )
