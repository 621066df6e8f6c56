"""The models of a comparison: a row of the tidy table each, and what their runs keep of them beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import escape, text
from app.compare.selection import LETTERS
from app.tables import points, store
from engine.errors import WorkError
from engine.storage.outcomes import images, layers, predictions
from engine.storage.outcomes.images import ImageList
from engine.storage.outcomes.layers import LayerCost

if TYPE_CHECKING:
    from engine.storage.outcomes.predictions import Array

Stamps = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run keeps of a point; nothing where an earlier version measured it, `damage` where it cannot be read.

    `predictions` are there with the `images` that they are of alone, and as many.
    """

    images: ImageList | None = None
    predictions: "Array | None" = None
    layers: tuple[LayerCost, ...] = ()
    damage: str = ""


@dataclass(frozen=True, eq=False)
class Model:
    """One column: its letter, its row with a latency (`points.with_latency`), and what its run keeps of it."""

    letter: str
    row: Mapping[str, Any]
    outcome: Outcome

    @property
    def title(self) -> str:
        """Its letter, and what it is in a few words."""
        what = "not pruned" if self.row["baseline"] else text.title(self.row)
        return f"{self.letter} · {what}"

    def is_of_same_data(self, other: "Model") -> bool:
        """Whether accuracies of both are of the same images, as far as their requests say."""
        return _images_of(self.row) == _images_of(other.row)


def read_models(frame: pd.DataFrame, ids: Sequence[str]) -> tuple[list[Model], str | None]:
    """The models of these ids in their order, and how the latencies beside them were measured."""
    rows = frame[frame["id"].isin(ids)]
    rows = frame[frame["run_id"].isin(rows["run_id"])]
    host = next(iter(points.host_conditions(rows[rows["id"].isin(ids)])), None)
    by_id = points.with_latency(rows, host).set_index("id", drop=False)
    models = []
    for letter, point in zip(LETTERS, ids, strict=False):
        row = by_id.loc[point].to_dict()
        models.append(Model(letter, row, read_outcome(str(row["run_id"]), int(row["point"]))))
    return models, None if host is None else text.host_conditions(host)


def read_outcome(run_id: str, point: int) -> Outcome:
    """What a run keeps of one of its points; read anew when one of the files has changed."""
    run = store.run_or_none(run_id)
    if run is None:
        return Outcome()
    return _read(str(run.path), point, tuple(map(_stamp, _files(run.path, point))))


@st.cache_resource(max_entries=64, show_spinner=False)
def _read(folder: str, point: int, stamps: Stamps) -> Outcome:
    """`stamps` only make the cache tell changed files from unchanged ones."""
    _, predicted, costs = _files(Path(folder), point)
    try:
        known, classes, by_layer = images.read(Path(folder)), predictions.read(predicted), layers.read(costs)
    except WorkError as error:
        return Outcome(damage=str(error))
    if known is None or classes is None:
        return Outcome(layers=by_layer)
    if len(classes) != len(known.labels) or int(classes.max()) >= len(known.classes):
        return Outcome(layers=by_layer, damage=f"{predicted} is damaged: it does not fit the labels beside it")
    return Outcome(known, classes, by_layer)


def _files(folder: Path, point: int) -> tuple[Path, Path, Path]:
    models = folder / "models"
    return (
        folder / images.FILE,
        models / f"p{point}.{predictions.SUFFIX}",
        models / f"p{point}.{layers.SUFFIX}",
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _images_of(row: Mapping[str, Any]) -> tuple[str, int | None]:
    return str(row["data"]), None if pd.isna(row["limit"]) else int(row["limit"])


def name_letters(models: Sequence[Model]) -> str:
    """Their letters in a sentence: `A`, `A and C`, `A, B and C`."""
    return join([model.letter for model in models])


def join(letters: Sequence[str]) -> str:
    """The same of letters."""
    return " and ".join(filter(None, (", ".join(letters[:-1]), letters[-1])))


def differing_data(models: Sequence[Model]) -> str | None:
    """That models of other data than the first are compared in their costs alone; None where all are of the same."""
    others = [model for model in models[1:] if not model.is_of_same_data(models[0])]
    if not others:
        return None
    verb = "was" if len(others) == 1 else "were"
    first = escape.markdown(models[0].row["data_label"])
    return (
        f"{name_letters(others)} {verb} measured on other images than A ({first}): "
        "accuracies are no comparison there, so that only costs are compared with A."
    )
