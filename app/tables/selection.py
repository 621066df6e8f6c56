"""Selections from the tidy table: what is shown, what may be compared, what nothing beats. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.tables.points import SAME_IMAGES, SETTINGS, place_of
from engine.statistics import fronts, intervals

Better = Literal["high", "low"]
# What tells networks apart that were not pruned yet: their images, their name, and what was measured of them.
_BASELINE = [*SAME_IMAGES, "image_size", "model", "base_top1", "base_val_top1", "base_loss", "base_params", "base_macs"]
# What points have in common that are one another's repetitions with other seeds.
REPETITION = ["group", "criterion", "depth_share", "stage", "phase", "keep", "step", "final"]
_KEY = "baseline_key"  # the column of `with_baseline_key`
_EMPTY = ""
SEEDS_FOR_INTERVAL = 3


def select(frame: pd.DataFrame, *, before: bool, steps: bool, int8: bool = True) -> pd.DataFrame:
    """Baselines, final points and their INT8 twins.

    With `before` those before recovery too, with `steps` those between phases and of every step of an iterative one.
    """
    keep = frame["baseline"] | frame["final"]
    if before:
        keep |= frame["before"]
    if steps:
        keep |= ~frame["int8"] & (~frame["before"] | frame["trajectory"].notna())
    if int8:
        keep |= frame["int8"]
    return frame[keep]


def known(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The rows that have a value in each of some columns: the table itself where all have, as a copy takes long."""
    has = frame[list(columns)].notna().all(axis=1)
    return frame if has.all() else frame[has]


def baseline_key(frame: pd.DataFrame) -> pd.Series:
    """A number for each row: equal where the network before pruning, and the images it is measured on, are the same.

    Networks that were trained apart, as those of several seeds are, have figures of their own. A run whose baseline is
    not known is compared with no other.
    """
    if _KEY in frame:
        return frame[_KEY]
    alone = frame["run_id"].where(frame["base_macs"].isna())
    return pd.Series(alike(*(frame[name] for name in _BASELINE), alone), index=frame.index)


def with_baseline_key(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with its `baseline_key` as a column, for selections that follow one another."""
    return frame.assign(**{_KEY: baseline_key(frame)})


def row(frame: pd.DataFrame, point: str) -> dict[str, Any]:
    """The row of a point that is in the table."""
    found: dict[str, Any] = frame.iloc[place_of(frame, point)].to_dict()
    return found


def comparable(frame: pd.DataFrame, point: str | None) -> pd.DataFrame:
    """The rows that may be compared with a point; without one those of the baseline with the most pruned rows."""
    if frame.empty:
        return frame
    key = baseline_key(frame)
    own = key[frame["id"] == point]
    if own.empty:
        pruned = key[~frame["baseline"]]
        own = (key if pruned.empty else pruned).mode()
    return frame[key == own.iloc[0]]


def front(frame: pd.DataFrame, x: str, y: str, *, y_better: Better) -> frozenset[str]:
    """The ids of the points, of those better than chance, that no comparable one beats on both axes."""
    told_by = [_KEY] if _KEY in frame else [*_BASELINE, "run_id"]
    sound = frame.loc[~frame["at_chance"], list(dict.fromkeys(["id", x, y, *told_by]))].dropna(subset=[x, y])
    if sound.empty:
        return frozenset()
    # Ranks, shifted so far for each baseline that the dearer ones are the better ones: none of two baselines beats the
    # other, and one sort does for all of them.
    shift = baseline_key(sound).to_numpy() * len(sound)
    value = sound[y] if y_better == "high" else -sound[y]
    return frozenset(sound["id"][fronts.pareto(_ranks(sound[x]) + shift, _ranks(value) + shift)])


def _ranks(values: pd.Series) -> Any:
    return np.unique(values.to_numpy(dtype=float), return_inverse=True)[1]


def best_within_budget(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    y_better: Better,
    at_most: float | None,
    at_least: float | None,
    also: Mapping[str, float] | None = None,
) -> str | None:
    """The id of the best point with x at most and y at least (for a loss: at most) the bounds; None when none fits.

    `also` are upper bounds on other columns. With a budget on any cost it is the most accurate one (ties: the
    cheapest); with only a bound on y, the cheapest one. `frame` holds rows that may be compared.
    """
    costs = {**(also or {}), **({} if at_most is None else {x: at_most})}
    if not costs and at_least is None:
        return None
    sign = 1.0 if y_better == "high" else -1.0
    candidates = frame[~frame["at_chance"]].dropna(subset=[x, y])
    for column, most in costs.items():
        candidates = candidates[candidates[column] <= most]
    if at_least is not None:
        candidates = candidates[sign * candidates[y] >= sign * at_least]
    if candidates.empty:
        return None
    ranking = candidates.assign(_loss=-sign * candidates[y]).sort_values(["_loss", x] if costs else [x, "_loss"])
    return str(ranking.iloc[0]["id"])


def mean_over_seeds(frame: pd.DataFrame, column: str, keys: Sequence[str]) -> pd.DataFrame:
    """Of the rows that are equal in `keys` the mean of a column over their seeds; one that was run twice counts once.

    The index are the keys. Columns: `mean`; `half_width`, half of the mean's 95 % interval, NaN under
    `SEEDS_FOR_INTERVAL` seeds; `n`, the number of seeds.
    """
    complete = frame[list(keys)].notna().all(axis=1)
    frame = frame if complete.all() else frame[complete]
    cells = alike(*(frame[key] for key in keys))
    _, first = np.unique(cells, return_index=True)
    of_cells = frame[list(keys)].iloc[first]
    index = pd.Index(of_cells[keys[0]]) if len(keys) == 1 else pd.MultiIndex.from_frame(of_cells)
    return pd.DataFrame(means_over_seeds(cells, frame["seed"], frame[column]), index=index)


def repetition(frame: pd.DataFrame) -> pd.Series:
    """A number for each row: equal for those of one experiment, with whatever seed, at the same target and stage."""
    return pd.Series(alike(*(frame[name] for name in REPETITION)), index=frame.index)


def over_seeds(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The mean over seeds for each row, of its repetitions."""
    cells = repetition(frame).to_numpy()
    means = means_over_seeds(cells, frame["seed"], frame[column])
    return pd.DataFrame({name: values[cells] for name, values in means.items()}, index=frame.index)


def alike(*columns: pd.Series) -> NDArray[np.intp]:
    """A number for each row, shape (n,): equal where all columns are, and missing values are equal, too.

    In the order in which they are first met. Grouping a table by as many columns takes several times as long.
    """
    together = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        codes, count = _codes(column)
        together = _dense(together * (count + 1) + codes + 1)
    _, first, places = np.unique(together, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[places]


def _codes(column: pd.Series) -> tuple[NDArray[np.intp], int]:
    """A number for each value, -1 where it is missing, and how many there are."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.intp), len(column.cat.categories)
    codes, distinct = pd.factorize(column)
    return codes, len(distinct)


def _dense(numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    """Other numbers for the same groups, which are small enough to be multiplied again."""
    return np.unique(numbers, return_inverse=True)[1] if len(numbers) and numbers.max() > len(numbers) else numbers


def means_over_seeds(cells: NDArray[np.intp], seeds: pd.Series, column: pd.Series) -> dict[str, NDArray[Any]]:
    """Of each cell, which are numbered from 0, what `mean_over_seeds` has of it."""
    values = column.to_numpy(dtype=float)
    known = ~np.isnan(values)
    count = int(cells.max(initial=-1)) + 1
    runs, places = np.unique(alike(pd.Series(cells), seeds.reset_index(drop=True))[known], return_inverse=True)
    first = np.zeros(len(runs), dtype=np.intp)
    first[places[::-1]] = np.flatnonzero(known)[::-1]
    of_run = np.bincount(places, values[known], len(runs)) / np.bincount(places, minlength=len(runs))
    of_cell = cells[first]
    number = np.bincount(of_cell, minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(of_cell, of_run, count) / number
        deviation = np.sqrt(np.bincount(of_cell, (of_run - mean[of_cell]) ** 2, count) / (number - 1))
    half, enough = np.full(count, np.nan), number >= SEEDS_FOR_INTERVAL
    if enough.any():
        half[enough] = intervals.half_width(deviation[enough], number[enough])
    return {"mean": mean, "half_width": half, "n": number}


def differing_settings(frame: pd.DataFrame) -> list[str]:
    """The settings in which these rows differ, those of them that are columns; one that is set against none, too."""
    return [key for key in SETTINGS if key in frame and not _is_one(frame[key]) and len(_distinct(frame[key])) > 1]


def _is_one(values: pd.Series) -> bool:
    """Whether numbers or categories are soon seen to be all the same, as most settings are."""
    array = values.array
    plain = array.codes if isinstance(array, pd.Categorical) else values.to_numpy()
    return len(plain) > 0 and plain.dtype.kind in "biuf" and bool((plain == plain[0]).all())


def _distinct(values: pd.Series) -> set[str]:
    try:
        return {_text_of(value) for value in values.unique()}
    except TypeError:  # lists, which cannot be looked up
        return {_text_of(value) for value in values}


def _text_of(value: Any) -> str:
    """A setting as text; None, NaN, an empty text and an empty list are all no value, which is the empty text."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return _EMPTY
    return str(value) if not isinstance(value, list | tuple) or len(value) else _EMPTY
