"""A table of points column by column, and a new one of an old one in which some runs have changed. Pure functions.

Columns are arrays of numbers, or categoricals where thousands of points share a few words.
"""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.tables.parts import Part
from engine.spec.images import domains
from engine.spec.run import RunSpec
from engine.spec.settings import SpecField, columns_of, plain_types
from engine.statistics import counts
from engine.storage.indexing.columns import NUMBERS

Column = Any  # a NumPy array or an array of pandas
METRICS = ("top1", "top5", "val_top1", "loss", "params", "macs", "bytes", "source_top1", "target_top1")
_OF_RUN = ("run_id", "group", "state")  # words
_NUMBERS = (*METRICS, "keep", "step", "predicted_ms", "seconds")
_SETTINGS = columns_of(RunSpec)


def assemble(part: Part) -> dict[str, Column]:
    """The columns of `points.tidy` but for those that depend on which other runs there are (`finish`)."""
    of_run = np.array(part.of_run, dtype=np.intp)
    numbers = dict(zip(NUMBERS, np.ascontiguousarray(part.numbers.T), strict=True))
    columns: dict[str, Column] = {key: _words(run.get(key) for run in part.runs).take(of_run) for key in _OF_RUN}
    hosts = (run.get("host") for run in part.runs)  # of a file that anybody may have written
    columns["host"] = _words(host if isinstance(host, str) else None for host in hosts).take(of_run)
    columns["gallery"] = np.array([bool(run.get("gallery")) for run in part.runs], dtype=bool)[of_run]
    columns["created"] = np.array([run.get("created") for run in part.runs], dtype=float)[of_run]
    columns |= {key: _setting([run.get(key) for run in part.runs], field)[of_run] for key, field in _SETTINGS.items()}
    columns["criterion"] = _with_own(columns["criterion"], part.criteria)
    own_share = numbers["depth_share"]
    columns["depth_share"] = np.where(np.isnan(own_share), columns["depth_share"], own_share)
    columns["point"] = numbers["point"].astype(np.int64)
    columns |= {"stage": _words(part.stages), "phase": _words(part.phases), "note": _words(part.notes)}
    columns |= {key: numbers[key] for key in _NUMBERS}
    columns |= {name: numbers[key] == 1 for name, key in (("final", "final"), ("before", "before_recovery"))}
    columns["onnx"] = numbers["onnx"] == 1
    run_ids = [str(run["run_id"]) for run in part.runs]
    points = columns["point"].tolist()
    columns["id"] = np.array([f"{run_ids[n]}.{p}" for n, p in zip(part.of_run, points, strict=True)], dtype=object)
    names = zip(part.of_run, part.trajectories, strict=True)
    columns["trajectory"] = _words(f"{run_ids[n]} {name}" if name else None for n, name in names)
    columns["flops"] = 2 * numbers["macs"]
    columns["baseline"] = _equals(columns["stage"], "baseline")
    columns["int8"] = _equals(columns["stage"], "quantized")
    columns["at_chance"] = counts.are_near_chance(numbers["correct"], numbers["total"], numbers["chance"])
    columns |= {f"base_{key}": of_baseline(columns, columns[key]) for key in (*METRICS, "flops")}
    columns["experiment"] = _words(map(experiment, part.runs)).take(of_run)
    columns["latencies"] = _objects(part.timings)
    columns["conditions"] = _shared(part.conditions)
    columns["widths"] = _objects(part.widths)
    columns["blocks_removed"] = _objects(part.blocks)
    return columns


def finish(columns: Mapping[str, Column]) -> pd.DataFrame:
    """The table of some columns, with the shortest names that tell its data from one another."""
    data = columns["data"]
    names = data.categories[np.bincount(data.codes[data.codes >= 0], minlength=len(data.categories)) > 0]
    short = domains.shorten(map(str, names))
    of_category = [short.get(str(name)) for name in data.categories]
    more = {
        "domains": _take(_words(of_category), data.codes),
        "data_label": _take(_words(None if each is None else each.label for each in of_category), data.codes),
    }
    return pd.DataFrame({key: _series(column) for key, column in {**columns, **more}.items()})


def column_of(values: pd.Series) -> Column:
    """The column that a finished table holds, and no copy of it."""
    return values.array if isinstance(values.array, pd.Categorical) else values.to_numpy()


def of_baseline(columns: Mapping[str, Column], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each point the value of its run's first baseline; NaN where there is none."""
    run = columns["run_id"].codes
    rows = np.flatnonzero(columns["baseline"])[::-1]  # the first one is written last
    base = np.full(len(columns["run_id"].categories), np.nan)
    base[run[rows]] = values[rows]
    return base[run] if len(base) else np.empty(0)


def experiment(run: Mapping[str, Any]) -> str:
    """What the filter calls a run: by the name it was launched under; those without one by their group, the runs that
    differ in nothing but their seed. The shipped ones are one.
    """
    if run["gallery"]:
        return "Gallery"
    name = run.get("experiment")
    return name if isinstance(name, str) else f"{run['model']} {run['criterion']} {str(run['group'])[:6]}"


Piece = tuple[int, int, int]  # of several tables: which one, the first row, and the one after the last


def splice(tables: Sequence[Mapping[str, Column]], pieces: Sequence[Piece]) -> dict[str, Column]:
    """The columns of a table that is put together from pieces of others."""
    return {key: _splice([table[key] for table in tables], pieces) for key in tables[0]}


def _splice(columns: Sequence[Column], pieces: Sequence[Piece]) -> Column:
    if not all(isinstance(column, pd.Categorical) for column in columns):
        return _join([np.asarray(column) for column in columns], pieces)
    categories, codes = columns[0].categories, [columns[0].codes]
    for column in columns[1:]:
        moved = categories.get_indexer(column.categories)
        if (moved < 0).any():
            categories = categories.append(column.categories[moved < 0])
            moved = categories.get_indexer(column.categories)
        codes.append(np.append(moved, -1)[column.codes])  # -1 is the last one, too
    return pd.Categorical.from_codes(_join(codes, pieces), categories)


def _join(columns: Sequence[NDArray[Any]], pieces: Sequence[Piece]) -> NDArray[Any]:
    if not pieces:
        return columns[0][:0]
    return np.concatenate([columns[table][start:stop] for table, start, stop in pieces])


def _words(values: Iterable[Hashable]) -> pd.Categorical:
    """Words, of which a few stand in many places; None is missing."""
    known: dict[Hashable, int] = {None: -1}
    codes = [known.setdefault(value, len(known) - 1) for value in values]
    return _categorical(np.array(codes, dtype=np.intp), list(known)[1:])


def _shared(values: Sequence[Hashable]) -> pd.Categorical:
    """The same of objects of which equal ones are one, and which take long to compare."""
    places: dict[int, int] = {}
    codes = [places.setdefault(id(value), len(places)) for value in values]
    objects = {id(value): value for value in values}
    return _categorical(np.array(codes, dtype=np.intp), [objects[key] for key in places])


def _take(words: pd.Categorical, places: NDArray[Any]) -> pd.Categorical:
    """The words in some places of others; missing where there is no such place."""
    codes = np.append(words.codes, -1)[places]
    return pd.Categorical.from_codes(codes, words.categories)


def _categorical(codes: NDArray[Any], categories: Sequence[Hashable]) -> pd.Categorical:
    is_text = bool(categories) and all(isinstance(each, str) for each in categories)
    index = pd.Index(categories) if is_text else pd.Index(list(categories), dtype=object)
    return pd.Categorical.from_codes(codes, index)


def _with_own(words: pd.Categorical, own: Sequence[str | None]) -> pd.Categorical:
    """Words of runs, and in their place those that some points have of their own."""
    if not any(own):
        return words
    return _words(mine or theirs for mine, theirs in zip(own, words, strict=True))


def _equals(words: pd.Categorical, word: str) -> NDArray[np.bool_]:
    return np.asarray(words == word)


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _setting(values: list[Any], field: SpecField) -> Column:
    """A setting of each run: numbers or words, or both where it may be either."""
    kinds = set(plain_types(field.annotation)) - {type(None)}
    if kinds and kinds <= {int, float, bool} and not _may_be_other(field.annotation):
        return _number_setting(values, kinds)
    texts = [_one_value(value) for value in values]
    if all(value is None or isinstance(value, str) for value in texts):
        return _words(texts)
    return _objects([np.nan if value is None else value for value in texts])


def _number_setting(values: list[Any], kinds: set[type]) -> NDArray[Any]:
    if kinds == {bool}:
        return _objects(values) if None in values else np.array(values, dtype=bool)
    whole = kinds == {int} and all(isinstance(value, int) for value in values)
    return np.array(values, dtype=np.int64 if whole else float)


def _may_be_other(annotation: Any) -> bool:
    """Whether a value may be a list or a word, whatever else it may be."""
    return get_origin(annotation) in (tuple, Literal) or any(map(_may_be_other, get_args(annotation)))


def _one_value(value: Any) -> Any:
    """A setting as one value of a table: names in a list become one line, other lists their JSON text, none None."""
    if not isinstance(value, list):
        return value
    if all(isinstance(item, str) for item in value):
        return ", ".join(value) or None
    return json.dumps(value)


def _series(column: Column) -> pd.Series:
    is_object = isinstance(column, np.ndarray) and column.dtype.kind == "O"
    return pd.Series(column, dtype=object) if is_object else pd.Series(column)  # no second look at each object
