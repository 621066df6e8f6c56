"""How far other seeds bear a point out, in words."""

import numpy as np
import pandas as pd

from app import text
from app.tables import points, selection


def in_words(rows: pd.DataFrame, point: str) -> str:
    """`mean 90.1 ± 0.4 % over 3 seeds`, of the top-1 accuracies of a point and its repetitions; empty for one seed."""
    own = points.place_of(rows, point)
    (places,) = np.nonzero(rows["group"].array == rows["group"].iloc[own])
    experiment = rows[["seed", "top1", *selection.REPETITION]].iloc[places]
    repeated = selection.over_seeds(experiment, "top1").iloc[int(np.flatnonzero(places == own)[0])]
    if repeated["n"] < 2:
        return ""
    return f"mean {text.mean_over_seeds(repeated['mean'], repeated['half_width'], int(repeated['n']))}"
