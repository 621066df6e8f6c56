"""One run on the page: what it is in a few words, its tries, learning curves and attempts."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from app import escape, format, text, theme
from app.charts import learning_curves
from app.components import notes
from app.runs import attempts, domains, tries
from app.tables.store import ACTIVE
from engine.errors import WorkError
from engine.storage.folders.run import Run
from engine.storage.records import remarks
from engine.storage.records.event import Epoch

_CURVES_HEIGHT = 170  # px


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


def setting_text(key: str, value: Any) -> str:
    """A setting in the words of the screen; a dash for one that is empty."""
    if value is None or value == []:
        return format.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(setting_text(key, item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(text.NAMES.get(key, str)(value))


def duration(run: Mapping[str, Any]) -> str | None:
    """How long a run that has ended took since it was last started; None for any other."""
    if run["state"] in ACTIVE or not (run["started"] and run["finished"]):
        return None
    return format.minutes(max(0.0, run["finished"] - run["started"]))


def show_events(run: Mapping[str, Any], folder: Run, *, epochs_ahead: bool = False) -> None:
    """What was decided for a run and what to doubt, its tries, domains, learning curves and attempts, if there are any.

    What of it cannot be read is said once, in the place of that part. Where `epochs_ahead` is said, the curves have
    their place before their first point, so that nothing below moves when it comes.
    """
    said = run["error"] or ""
    show_epochs = partial(_show_epochs, ahead=epochs_ahead)
    for show in (_show_remarks, _show_notes, tries.show, domains.show, show_epochs, _show_attempts):
        try:
            show(folder)
        except WorkError as error:
            if str(error) not in said:
                st.error(escape.message(error), icon=":material/error:")
            said += f" {error}"


def _show_remarks(folder: Run) -> None:
    notes.show_remarks(folder.points())


def _show_notes(folder: Run) -> None:
    notes.show(remarks.notes(folder.event_lines()))


def _show_epochs(folder: Run, *, ahead: bool) -> None:
    epochs = folder.events(Epoch)
    if epochs:
        show_curves(epochs, key=folder.id)
    elif ahead:
        for column in st.columns(2):
            column.skeleton(height=_CURVES_HEIGHT)


def _show_attempts(folder: Run) -> None:
    steps = folder.attempts()
    if steps:
        attempts.show(folder, steps)


def show_curves(epochs: Sequence[Epoch], *, key: str) -> None:
    """Loss and accuracy side by side."""
    ink = theme.ink()
    both: tuple[learning_curves.Quantity, learning_curves.Quantity] = ("loss", "accuracy")
    for column, quantity in zip(st.columns(2), both, strict=True):
        column.plotly_chart(
            learning_curves.figure(epochs, quantity, ink=ink, height=_CURVES_HEIGHT),
            key=f"{quantity}-{key}",
            config={"displayModeBar": False},
            alt=learning_curves.describe(epochs, quantity),
        )
