"""The models of a comparison: a row of the tidy table each, and what their runs keep of them beside it.

A group over seeds is a model, too, with the means over its networks as figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import escape, text
from app.compare import groups
from app.compare.selection import LETTERS
from app.tables import points, store
from engine.errors import WorkError
from engine.statistics.intervals import Interval, mean_interval
from engine.storage.files import Stamp, stamp_of
from engine.storage.outcomes import images, layers, predictions
from engine.storage.outcomes.images import ImageList
from engine.storage.outcomes.layers import LayerCost

if TYPE_CHECKING:
    from engine.storage.outcomes.predictions import Array


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run keeps of a point; nothing where an earlier version measured it, `damage` where it cannot be read.

    `predictions` are there with the `images` that they are of alone, and as many.
    """

    images: ImageList | None = None
    predictions: "Array | None" = None
    layers: tuple[LayerCost, ...] = ()
    damage: str = ""

    def is_of(self, digest: str) -> bool:
        """Whether there are predictions, of the images with this digest."""
        return self.images is not None and self.images.digest == digest and self.predictions is not None


@dataclass(frozen=True, eq=False)
class Model:
    """One column: its letter, its row with a latency (`points.with_latency`), and what its run keeps of it.

    A group's row is that of one of its networks. It has its `seeds`, the `intervals` of the means of its figures by
    column, and in `repeats` what the runs of its other networks keep of them.
    """

    letter: str
    row: Mapping[str, Any]
    outcome: Outcome
    seeds: tuple[int, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    repeats: tuple[Outcome, ...] = ()

    @property
    def title(self) -> str:
        """Its letter, and what it is in a few words."""
        what = "not pruned" if self.row["baseline"] else text.title(self.row)
        return f"{self.letter} · {what}" + (f" · {len(self.seeds)} seeds" if self.seeds else "")

    def figure(self, column: str) -> Any:
        """A number of its row, or the mean over a group's seeds."""
        interval = self.intervals.get(column)
        return self.row[column] if interval is None else interval.mean

    def is_of_same_data(self, other: "Model") -> bool:
        """Whether accuracies of both are of the same images, as far as their requests say."""
        return _images_of(self.row) == _images_of(other.row)


def read_models(frame: pd.DataFrame, entries: Sequence[str]) -> tuple[list[Model], str | None]:
    """The models and groups of these entries in their order, and how the latencies beside them were measured."""
    ids = {entry: _ids(frame, entry) for entry in entries}
    chosen = frame["id"].isin([point for of_entry in ids.values() for point in of_entry])
    host = next(iter(points.host_conditions(frame[chosen])), None)
    rows = points.with_latency(frame[frame["run_id"].isin(frame.loc[chosen, "run_id"])], host)
    by_id = rows.set_index("id", drop=False)
    models = [_model(letter, by_id.loc[ids[entry]]) for letter, entry in zip(LETTERS, entries, strict=False)]
    return models, None if host is None else text.host_conditions(host)


def _ids(frame: pd.DataFrame, entry: str) -> list[str]:
    """The networks of an entry, the one that it names first."""
    point = groups.point_of(entry)
    others = list(groups.members(frame, point)["id"]) if groups.is_group(entry) else []
    seed = frame.loc[frame["id"] == point, "seed"].iloc[0]
    return [point, *frame.loc[frame["id"].isin(others) & (frame["seed"] != seed), "id"]]


def _model(letter: str, rows: pd.DataFrame) -> Model:
    """The model of one row, or the group of several, of which the first has the layers that are shown."""
    first = rows.iloc[0].to_dict()
    outcome, *repeats = (
        read_outcome(str(run_id), int(point)) for run_id, point in zip(rows["run_id"], rows["point"], strict=True)
    )
    if len(rows) == 1:
        return Model(letter, first, outcome)
    figures = {column: rows[column].dropna() for column in (*points.METRICS, "latency") if column in rows}
    intervals = {column: mean_interval(values) for column, values in figures.items() if len(values)}
    seeds = tuple(sorted(int(seed) for seed in rows["seed"]))
    return Model(letter, first, outcome, seeds, intervals, tuple(repeats))


def read_outcome(run_id: str, point: int) -> Outcome:
    """What a run keeps of one of its points; read anew when one of the files has changed."""
    run = store.run_or_none(run_id)
    if run is None:
        return Outcome()
    return _read(str(run.path), point, tuple(map(stamp_of, _files(run.path, point))))


@st.cache_resource(max_entries=64, show_spinner=False)
def _read(folder: str, point: int, stamps: tuple[Stamp, ...]) -> Outcome:
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


def _images_of(row: Mapping[str, Any]) -> tuple[str, int | None]:
    return str(row["data"]), None if pd.isna(row["limit"]) else int(row["limit"])


def whose_layers(models: Sequence[Model]) -> str:
    """Of which seed the layers and images of groups are; empty without any group."""
    told = [f"those of {model.letter} are of seed {model.row['seed']}" for model in models if model.seeds]
    if not told:
        return ""
    return f"A group's layers and images are those of one network: {join(told)}. Its classes are means over its seeds."


def name_letters(models: Sequence[Model]) -> str:
    """Their letters in a sentence: `A`, `A and C`, `A, B and C`."""
    return join([model.letter for model in models])


def join(words: Sequence[str]) -> str:
    """The same of any words."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


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
