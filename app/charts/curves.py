"""Lines through points: an experiment's over its targets, averaged over seeds, and a run's over its steps."""

from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from engine import stats

SEEDS_FOR_INTERVAL = 3


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
    # Plain dicts: a data frame per group and target would take seconds for thousands of them.
    values: dict[str, dict[float, list[tuple[float, float]]]] = {}
    criteria: dict[str, str] = {}
    columns = (finals[name].tolist() for name in ("group", "criterion", "keep", x, y))
    for group, criterion, keep, cost, value in zip(*columns, strict=True):
        values.setdefault(group, {}).setdefault(keep, []).append((cost, value))
        criteria[group] = criterion
    return [_curve(criteria[group], list(targets.values())) for group, targets in values.items() if len(targets) > 1]


def trajectories(points: pd.DataFrame, x: str, y: str) -> list[Curve]:
    """One curve for each iterative phase of each run, through its steps in order of x; columns as in `tidy`."""
    steps = points[points["trajectory"].notna()].sort_values([x, "step"])
    return [
        Curve(str(trajectory["criterion"].iloc[0]), tuple(trajectory[x]), tuple(trajectory[y]), None, None)
        for _, trajectory in steps.groupby("trajectory", sort=False)
        if len(trajectory) > 1
    ]


def _curve(criterion: str, targets: list[list[tuple[float, float]]]) -> Curve:
    means = sorted((fmean(cost for cost, _ in points), [value for _, value in points]) for points in targets)
    seeds = min(len(values) for _, values in means)
    low = high = None
    if seeds >= SEEDS_FOR_INTERVAL:
        intervals = [stats.mean_interval(values) for _, values in means]
        low = tuple(interval.low for interval in intervals if interval.low is not None)
        high = tuple(interval.high for interval in intervals if interval.high is not None)
    return Curve(
        criterion=criterion,
        x=tuple(cost for cost, _ in means),
        y=tuple(fmean(values) for _, values in means),
        low=low,
        high=high,
    )
