"""How far other seeds bear a point out, in words."""

import pandas as pd

from app.charts.curves import SEEDS_FOR_INTERVAL
from app.tables import selection


def in_words(rows: pd.DataFrame, point: str) -> str:
    """`mean of 3 seeds 90.1 ± 0.4 %`, of the top-1 accuracies of a point and its repetitions; empty for one seed."""
    group = rows.loc[rows["id"] == point, "group"].iloc[0]
    experiment = rows[rows["group"] == group]
    repeated = selection.over_seeds(experiment, "top1")[experiment["id"] == point].iloc[0]
    if repeated["seeds"] < 2:
        return ""
    half = f" ± {100 * repeated['half']:.1f}" if repeated["seeds"] >= SEEDS_FOR_INTERVAL else ""
    return f"mean of {repeated['seeds']:.0f} seeds {100 * repeated['mean']:.1f}{half} %"
