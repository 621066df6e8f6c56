"""The points of all runs as one tidy table. Pure functions, nothing here reads a file."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from app import text
from app.tables import assembly, parts
from app.tables.assembly import METRICS, experiment
from engine.spec.run import RunSpec
from engine.spec.settings import arrange, settings_of
from engine.storage.records import remarks
from engine.storage.records.measurement import Conditions, Latency, Timed

__all__ = ["METRICS", "SAME_IMAGES", "SETTINGS", "experiment", "tidy"]

# As the table shows them; a setting that is not named follows the one that it is declared after.
_ORDER = """
    model data.name weights criterion order seed target.metric target.depth_share depth.method depth.floor
    width.method width.attempt_fraction width.layers_per_step width.select width.least_share
    attempt.measure attempt.race width.scope width.round_to keep_layers data.limit
    train.epochs train.lr train.batch_size train.weight_decay train.label_smoothing
    recover.epochs recover.lr recover.between_phases recover.between_steps_batches recover.distil
    recover.temperature recover.distil_weight recover.reestimate_bn data.val_fraction int8
    data.normalize data.root target.latency_table device data.image_size data.labels width.rank
    recover.reconstruct recover.calibration_images recover.ridge
    target.lose target.at_least target.also_criteria target.also_depth_shares
    transfer.adversarial transfer.adapt_epochs transfer.pseudo_labels transfer.confidence transfer.refresh
    transfer.balance
"""


def headings(model: type[BaseModel]) -> dict[str, str]:
    """The settings in which requests can differ: column → heading, in the order of the table."""
    fields = arrange(settings_of(model), _ORDER)
    return {field.column: field.heading for field in fields if field.column is not None}


SETTINGS = headings(RunSpec)  # the table shows only those in which its points differ
SAME_IMAGES = ["data", "limit"]  # accuracies on other images are not to be compared


def tidy(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Points joined with their run's settings → one row a point, with its run's baseline beside it.

    `id` is `<run_id>.<point>`. `baseline`, `before` (measured just before the recovery that ends a target), `final` and
    `int8` say what kind of point it is; `step` counts the steps of an iterative phase from 1, `trajectory` tells its
    steps from those of others; `at_chance` says that its accuracy is within noise of guessing, `onnx` that its ONNX
    file is there. `data_label` tells its data from all others in few words, `domains` has the same of its source and
    its target. Metrics are as stored, shares in 0..1, counts, bytes; `base_*` the baseline's.
    `latencies` are the timings of hosts and boards (`engine.storage.records.measurement.Timed`), `conditions` those
    under which they were made. Columns of words are categoricals.
    """
    return assembly.finish(assembly.assemble(parts.from_rows(rows)))


def host_conditions(frame: pd.DataFrame) -> list[Conditions]:
    """The conditions under which hosts timed the points, the most frequent first."""
    return by_frequency(timing_counts(frame), lambda each: each.device is None)


def timing_counts(frame: pd.DataFrame) -> Counter[Conditions]:
    """How many timings there are under each of the conditions, in the order in which they are first met."""
    together = frame["conditions"].cat
    numbers = np.bincount(together.codes, minlength=len(together.categories))
    counts: Counter[Conditions] = Counter()
    for kind, number in zip(together.categories, numbers.tolist(), strict=True):
        for each in kind.entries if number else ():
            counts[each] += number
    return counts


def by_frequency(counts: Counter[Conditions], which: Callable[[Conditions], bool]) -> list[Conditions]:
    """Some of the conditions, the most frequent first."""
    return [each for each, _ in counts.most_common() if which(each)]


def timing_values(frame: pd.DataFrame, conditions: Conditions | None, value: Callable[[Any], float | None]) -> Any:
    """A value of each point's first timing under some conditions, shape (n,); NaN where it has none."""
    together = frame["conditions"].cat
    places = np.array([_place(kind.entries, conditions) for kind in together.categories], dtype=np.intp)
    values = np.full(len(frame), np.nan)
    if not len(places):
        return values
    place = places[together.codes.to_numpy()]
    rows = np.flatnonzero(place >= 0)
    timings = frame["latencies"].to_numpy()[rows]
    found = [value(entries[at]) for entries, at in zip(timings, place[rows].tolist(), strict=True)]
    values[rows] = np.array(found, dtype=float)
    return values


def _place(entries: Sequence[Conditions], wanted: Conditions | None) -> int:
    return entries.index(wanted) if wanted in entries else -1


def with_latency(frame: pd.DataFrame, conditions: Conditions | None) -> pd.DataFrame:
    """`frame` with `latency` and `base_latency` (p50, ms) under one of `host_conditions`."""
    return with_baseline(frame, "latency", timing_values(frame, conditions, lambda entry: entry.p50_ms))


def with_baseline(frame: pd.DataFrame, column: str, values: Sequence[float | None]) -> pd.DataFrame:
    """`frame` with the numbers `values`, one a row, as `column`, and each run's own baseline's as `base_<column>`."""
    numbers = np.array(values, dtype=float)
    runs = {"run_id": frame["run_id"].array, "baseline": frame["baseline"].to_numpy()}
    return frame.assign(**{column: numbers, f"base_{column}": assembly.of_baseline(runs, numbers)})


def slowdown(frame: pd.DataFrame) -> pd.Series:
    """Of `with_latency`'s rows how many times the baseline's latency each takes; NaN for one that is not slower."""
    ratio = frame["latency"] / frame["base_latency"].where(frame["base_latency"] > 0)
    return ratio.where(ratio > remarks.SLOWER)


def place_of(frame: pd.DataFrame, point: str) -> int:
    """Which row is that of a point; IndexError where it is in none. A mask over all columns would copy each."""
    return int(np.flatnonzero(frame["id"].to_numpy(object) == point)[0])


def row_with_latency(
    frame: pd.DataFrame, point: str, conditions: Conditions | None
) -> tuple[dict[str, Any], str | None]:
    """The row of one point, and how its latency on a host was measured: under `conditions`, or else its first."""
    place = place_of(frame, point)
    row = frame.iloc[[place]]
    entries = _host_latencies(row.iloc[0]["latencies"])
    entry = next((each for each in entries if each.conditions == conditions), next(iter(entries), None))
    if entry is None:
        return row.iloc[0].to_dict(), None
    (of_run,) = np.nonzero(frame["run_id"].array == frame["run_id"].iloc[place])
    own_run = with_latency(frame.iloc[of_run], entry.conditions)
    return own_run.iloc[int(np.flatnonzero(of_run == place)[0])].to_dict(), text.describe_latency(entry)


def _host_latencies(entries: Sequence[Timed]) -> list[Latency]:
    return [entry for entry in entries if isinstance(entry, Latency)]
