"""Each technique's networks over their seeds: means with intervals, the front, and the best within one cost."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from app.tables import selection
from app.tables.points import SAME_IMAGES
from app.tables.selection import SEEDS_FOR_INTERVAL, Better
from app.tables.techniques import names
from engine.statistics import fronts
from engine.statistics.intervals import mean_interval

# What networks have in common whose accuracies say something of one another, whatever their seed.
_NETWORK = [*SAME_IMAGES, "image_size", "model", "weights", "train_epochs"]
_WORDS = ["technique", "group", "criterion", "order", "keep", "stage", "int8"]


@dataclass(frozen=True)
class Best:
    """The best mean of a technique within a cost: a row of `means`, and how it differs from pruning alone.

    `row` is None where nothing is as cheap; `change` in the stored unit, with half its 95 % interval by the seeds that
    both have, or None where they are too few; None for pruning alone and where nothing was pruned alone.
    """

    technique: str
    row: Mapping[Hashable, Any] | None
    change: float | None = None
    half_width: float | None = None


def of_one_network(frame: pd.DataFrame) -> pd.DataFrame:
    """The points of one network on its images, with whatever seeds: of that with the most pruned ones."""
    if frame.empty:
        return frame
    network = frame.groupby(_NETWORK, dropna=False, sort=False, observed=True).ngroup()
    pruned = network[~frame["baseline"]]
    return frame[network == (network if pruned.empty else pruned).mode().iloc[0]]


def without_doubt(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of which no repetition is within noise of guessing: a mean of the seeds that went well would flatter."""
    doubted = rows["at_chance"].groupby(selection.repetition(rows)).transform("any")
    return rows[~doubted.astype(bool)]


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for what was made alike with several seeds, the techniques in their order and each from its cheapest on.

    `rows` are pruned points with `technique`, and in numbers `at_x` and `at_y`, where they lie on a chart, `cost` and
    `quality`, and of the last two the baseline's, `base_cost` and `base_quality`. All are means over seeds;
    `half_width` and `quality_half` are half of the 95 % intervals of `at_y` and `quality`, NaN under three seeds;
    `seeds` are those there are; `cell` is the index.
    """
    rows = rows.assign(cell=selection.repetition(rows))
    first = rows.drop_duplicates("cell").set_index("cell")[_WORDS]
    columns = ("at_x", "at_y", "cost", "quality", "base_cost", "base_quality")
    parts = {column: selection.mean_over_seeds(rows, column, ["cell"]) for column in columns}
    halves = {"half_width": parts["at_y"]["half_width"], "quality_half": parts["quality"]["half_width"]}
    seeds = rows.groupby("cell")["seed"].agg(lambda each: tuple(sorted(set(each))))
    table = first.assign(**{column: part["mean"] for column, part in parts.items()}, **halves, seeds=seeds)
    return table.sort_values(["technique", "at_x"], kind="stable")


def on_front(table: pd.DataFrame, *, x_better: Better, y_better: Better) -> pd.Series:
    """Which rows of `means` no other one beats, whatever its technique."""
    cost = table["at_x"] if x_better == "low" else -table["at_x"]
    value = table["at_y"] if y_better == "high" else -table["at_y"]
    return pd.Series(fronts.pareto(cost, value), index=table.index)


def common_cost(table: pd.DataFrame) -> float:
    """The least cost that every technique comes down to."""
    return float(table.groupby("technique", observed=True)["cost"].min().max())


def best_within(rows: pd.DataFrame, table: pd.DataFrame, at_most: float, *, better: Better) -> list[Best]:
    """The best mean of each technique that costs `at_most`, in their order; `table` are the means of `rows`.

    One of fewer than three seeds, which may be luck, counts only where none of more is as cheap.
    """
    chosen = {
        str(technique): _best(own[own["cost"] <= at_most], better)
        for technique, own in table.groupby("technique", observed=True)
    }
    alone = chosen.get(names.PRUNED)
    return [
        Best(
            technique,
            None if cell is None else {**table.loc[cell].to_dict(), "cell": cell},
            *_change(rows, cell, None if technique == names.PRUNED else alone),
        )
        for technique, cell in chosen.items()
    ]


def _best(own: pd.DataFrame, better: Better) -> Hashable | None:
    if own.empty:
        return None
    seeds = own["seeds"].map(len)
    own = own[seeds >= min(SEEDS_FOR_INTERVAL, seeds.max())]
    value = own["quality"] if better == "high" else -own["quality"]
    best: Hashable = own.index[np.lexsort((own["cost"], -value))[0]]
    return best


def _change(rows: pd.DataFrame, cell: Hashable | None, alone: Hashable | None) -> tuple[float | None, float | None]:
    """How one cell differs from another by the seeds that both have, and half of its interval."""
    if cell is None or alone is None:
        return None, None
    cells = selection.repetition(rows)
    own, other = (rows[cells == each].groupby("seed")["quality"].mean() for each in (cell, alone))
    differences = (own - other).dropna()
    if differences.empty:
        return None, None
    interval = mean_interval(differences)
    sure = interval.high is not None and interval.n >= SEEDS_FOR_INTERVAL
    return interval.mean, interval.high - interval.mean if sure and interval.high is not None else None
