"""The measured points of a results folder as a table. No torch."""

from pathlib import Path

import pandas as pd

from engine.storage import directories
from engine.storage.store import Store

_SHARES = ("params", "macs")


def runs(results: str | Path | None = None) -> pd.DataFrame:
    """Every measured point of every run in `results` ($ESPALIER_RESULTS or ./results), the gallery's, too.

    One row a point, oldest run first: `id` (`<run_id>.<point>`), the settings of its run, and its line in points.jsonl
    as stored: accuracies and `keep` are shares in 0..1, `params`, `macs` and `bytes` counts, times in seconds.
    `baseline` marks the unpruned networks; `params_share` and `macs_share` are shares of the run's own baseline.
    RequestError when the folder cannot be used.

    >>> import engine
    >>> points = engine.runs()
    >>> halved = points[points["final"] & (points["macs_share"] <= 0.5)]
    >>> bool(halved["top1"].between(0, 1).all())
    True
    """
    store = Store(directories.results() if results is None else Path(results))
    frame = pd.DataFrame(store.points())
    if frame.empty:
        return pd.DataFrame(columns=["id", "run_id", "point", "baseline"])
    frame.insert(0, "id", frame["run_id"] + "." + frame["point"].astype(str))
    frame["baseline"] = frame["stage"].eq("baseline")
    baselines = frame[frame["baseline"]].drop_duplicates("run_id").set_index("run_id")
    for name in _SHARES:
        frame[f"{name}_share"] = frame[name] / frame["run_id"].map(baselines[name]).astype(float)
    return frame
