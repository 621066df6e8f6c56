"""Lines through points: an experiment's over its targets, averaged over seeds, and a run's over its steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.tables.selection import alike, means_over_seeds


@dataclass(frozen=True)
class Curve:
    """One group over its targets, in order of x; `low` and `high` bound the mean of y where there are enough seeds."""

    criterion: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None


def curves(finals: pd.DataFrame, x: str, y: str) -> list[Curve]:
    """One curve per group with at least two targets; `finals` are final points, columns as in `points.tidy`."""
    if finals.empty:
        return []
    cells = alike(finals["group"], finals["keep"])
    _, first = np.unique(cells, return_index=True)
    costs, values = (means_over_seeds(cells, finals["seed"], finals[column]) for column in (x, y))
    order = np.argsort(costs["mean"], kind="stable")
    groups, criteria = (finals[name].to_numpy(object)[first][order] for name in ("group", "criterion"))
    columns = [criteria, *(each[order] for each in (costs["mean"], values["mean"], values["half_width"]))]
    return [_curve(str(names[0]), xs, ys, halves) for names, xs, ys, halves in _split(groups, columns) if len(xs) > 1]


def trajectories(points: pd.DataFrame, x: str, y: str) -> list[Curve]:
    """One curve for each iterative phase of each run, through its steps in order of x; columns as in `tidy`."""
    on_the_way = points["trajectory"].notna()
    if not on_the_way.any():
        return []
    steps = points[on_the_way].sort_values([x, "step"])
    columns = [steps[name].to_numpy() for name in (x, y, "criterion")]
    return [
        Curve(str(criteria[0]), tuple(xs), tuple(ys), None, None)
        for xs, ys, criteria in _split(steps["trajectory"].to_numpy(object), columns)
        if len(xs) > 1
    ]


def _split(key: NDArray[np.object_], columns: list[Any]) -> Iterator[list[list[Any]]]:
    """The columns' rows of each value of a key, which keep their order, as plain lists.

    A data frame for each of thousands of groups would take seconds.
    """
    codes = pd.factorize(key)[0]
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    lists = [np.asarray(column)[order].tolist() for column in columns]
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        yield [values[end - size : end] for values in lists]


def _curve(criterion: str, x: list[float], y: list[float], halves: list[float]) -> Curve:
    sure = not np.isnan(halves).any()  # each target from three seeds on
    return Curve(
        criterion=criterion,
        x=tuple(x),
        y=tuple(y),
        low=tuple(mean - half for mean, half in zip(y, halves, strict=True)) if sure else None,
        high=tuple(mean + half for mean, half in zip(y, halves, strict=True)) if sure else None,
    )
