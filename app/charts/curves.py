"""Lines through points: an experiment's over its targets, averaged over seeds, and a run's over its steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from app.tables.selection import mean_over_seeds


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
    costs, values = (mean_over_seeds(finals, column, ["group", "keep"]) for column in (x, y))
    table = pd.DataFrame({"x": costs["mean"], "y": values["mean"], "half": values["half_width"]}).reset_index("group")
    criteria = dict(zip(finals["group"].tolist(), finals["criterion"].tolist(), strict=True))
    return [
        _curve(str(criteria[group]), xs, ys, halves)
        for group, (xs, ys, halves) in _split(table.sort_values("x", kind="stable"), "group", ["x", "y", "half"])
        if len(xs) > 1
    ]


def trajectories(points: pd.DataFrame, x: str, y: str) -> list[Curve]:
    """One curve for each iterative phase of each run, through its steps in order of x; columns as in `tidy`."""
    steps = points[points["trajectory"].notna()].sort_values([x, "step"])
    return [
        Curve(str(criteria[0]), tuple(xs), tuple(ys), None, None)
        for _, (xs, ys, criteria) in _split(steps, "trajectory", [x, y, "criterion"])
        if len(xs) > 1
    ]


def _split(table: pd.DataFrame, key: str, columns: list[str]) -> Iterator[tuple[object, list[list[Any]]]]:
    """Each value of a column with the other columns of its rows, which keep their order, as plain lists.

    A data frame for each of thousands of groups would take seconds.
    """
    codes, keys = pd.factorize(table[key])
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(keys))
    lists = [table[column].to_numpy()[order].tolist() for column in columns]
    for name, end, size in zip(keys, np.cumsum(sizes), sizes, strict=True):
        yield name, [values[end - size : end] for values in lists]


def _curve(criterion: str, x: list[float], y: list[float], halves: list[float]) -> Curve:
    sure = not np.isnan(halves).any()  # each target from three seeds on
    return Curve(
        criterion=criterion,
        x=tuple(x),
        y=tuple(y),
        low=tuple(mean - half for mean, half in zip(y, halves, strict=True)) if sure else None,
        high=tuple(mean + half for mean, half in zip(y, halves, strict=True)) if sure else None,
    )
