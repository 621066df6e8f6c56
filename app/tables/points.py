"""The points of all runs as one tidy table. Pure functions, nothing here reads a file."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from app import text
from engine.spec.images import domains
from engine.spec.run import RunSpec
from engine.spec.settings import arrange, settings_of
from engine.storage.records import remarks
from engine.storage.records.measurement import Conditions, Latency, Timed, read_timed

METRICS = ("top1", "top5", "val_top1", "loss", "params", "macs", "bytes", "source_top1", "target_top1")

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
_RUN = ("run_id", "group", "experiment", "gallery", "state", "created", "host")
# Of each point as the index has it: the names of `engine.storage.records.point.Point`.
POINT = ("point", "stage", "phase", "keep", "final", "step", "note", *METRICS, "predicted_ms", "seconds")
_NUMBERS = (*METRICS, "keep", "step", "predicted_ms", "seconds")


def tidy(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Points joined with their run's settings → one row a point, with its run's baseline beside it.

    `id` is `<run_id>.<point>`. `baseline`, `before` (measured just before the recovery that ends a target), `final` and
    `int8` say what kind of point it is; `step` counts the steps of an iterative phase from 1, `trajectory` tells its
    steps from those of others; `at_chance` says that its accuracy is within noise of guessing. `data_label` tells its
    data from all others in few words, `domains` has the same of its source and its target. Metrics are as stored,
    shares in 0..1, counts, bytes; `base_*` the baseline's.
    `latencies` are the timings of hosts and boards (`engine.storage.records.measurement.Timed`).
    """
    frame = pd.DataFrame([_record(row) for row in rows])
    if frame.empty:
        return frame
    frame = frame.astype(dict.fromkeys(_NUMBERS, float))
    frame["flops"] = 2 * frame["macs"]
    frame["baseline"] = frame["stage"].eq("baseline")
    frame["int8"] = frame["stage"].eq("quantized")
    frame["domains"] = frame["data"].map(domains.shorten(frame["data"]))
    frame["data_label"] = [each.label for each in frame["domains"]]
    frame["at_chance"] = [
        remarks.may_be_guessed(row.get("correct"), row.get("total"), row.get("chance")) for row in rows
    ]
    base = frame[frame["baseline"]].drop_duplicates("run_id").set_index("run_id")
    for metric in (*METRICS, "flops"):
        frame[f"base_{metric}"] = frame["run_id"].map(base[metric]).astype(float)
    criteria = base["criterion"].to_dict()  # the run's own, as one of its points may have another
    frame["experiment"] = [
        experiment({**row, "criterion": criteria.get(row["run_id"], row["criterion"])})
        for row in frame.to_dict("records")
    ]
    return frame


def experiment(run: Mapping[str, Any]) -> str:
    """What the filter calls a run: by the name it was launched under; those without one by their group, the runs that
    differ in nothing but their seed. The shipped ones are one.
    """
    if run["gallery"]:
        return "Gallery"
    name = run.get("experiment")
    return name if isinstance(name, str) else f"{run['model']} {run['criterion']} {str(run['group'])[:6]}"


def host_conditions(frame: pd.DataFrame) -> list[Conditions]:
    """The conditions under which hosts timed the points, the most frequent first."""
    return by_frequency(entry.conditions for entries in frame["latencies"] for entry in _host_latencies(entries))


def by_frequency(conditions: Iterable[Conditions]) -> list[Conditions]:
    """Each of the conditions once, the most frequent first."""
    return [one for one, _ in Counter(conditions).most_common()]


def with_latency(frame: pd.DataFrame, conditions: Conditions | None) -> pd.DataFrame:
    """`frame` with `latency` and `base_latency` (p50, ms) under one of `host_conditions`."""
    values = [
        next((entry.p50_ms for entry in _host_latencies(entries) if entry.conditions == conditions), np.nan)
        for entries in frame["latencies"]
    ]
    return with_baseline(frame, "latency", values)


def with_baseline(frame: pd.DataFrame, column: str, values: Sequence[float | None]) -> pd.DataFrame:
    """`frame` with the numbers `values`, one a row, as `column`, and each run's own baseline's as `base_<column>`."""
    frame = frame.assign(**{column: pd.Series(values, index=frame.index, dtype=float)})
    base = frame[frame["baseline"]].drop_duplicates("run_id").set_index("run_id")[column]
    return frame.assign(**{f"base_{column}": frame["run_id"].map(base).astype(float)})


def slowdown(frame: pd.DataFrame) -> pd.Series:
    """Of `with_latency`'s rows how many times the baseline's latency each takes; NaN for one that is not slower."""
    ratio = frame["latency"] / frame["base_latency"].where(frame["base_latency"] > 0)
    return ratio.where(ratio > remarks.SLOWER)


def row_with_latency(
    frame: pd.DataFrame, point: str, conditions: Conditions | None
) -> tuple[dict[str, Any], str | None]:
    """The row of one point, and how its latency on a host was measured: under `conditions`, or else its first."""
    row = frame[frame["id"] == point]
    entries = _host_latencies(row.iloc[0]["latencies"])
    entry = next((each for each in entries if each.conditions == conditions), next(iter(entries), None))
    if entry is None:
        return row.iloc[0].to_dict(), None
    own_run = with_latency(frame[frame["run_id"] == row.iloc[0]["run_id"]], entry.conditions)
    return own_run[own_run["id"] == point].iloc[0].to_dict(), text.describe_latency(entry)


def _host_latencies(entries: Sequence[Timed]) -> list[Latency]:
    return [entry for entry in entries if isinstance(entry, Latency)]


def _timings(row: Mapping[str, Any]) -> list[Timed]:
    """A point's timings, those of its host with the processor's name."""
    host = text.host_label(row.get("host"))
    timings = map(read_timed, row.get("latency") or ())
    return [replace(entry, host=host) if isinstance(entry, Latency) else entry for entry in timings]


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    record = {key: row.get(key) for key in (*_RUN, *POINT)}
    record |= {key: _scalar(row.get(key)) for key in SETTINGS}
    record["id"] = f"{row['run_id']}.{row['point']}"
    record["final"] = bool(row.get("final"))
    record["gallery"] = bool(row.get("gallery"))
    record["note"] = row.get("note") or ""
    record["before"] = bool(row.get("before_recovery"))
    record["trajectory"] = f"{row['run_id']} {row['trajectory']}" if row.get("trajectory") else None
    record["latencies"] = _timings(row)
    record["widths"] = row.get("widths") or {}
    record["blocks_removed"] = list(row.get("blocks_removed") or ())
    return record


def _scalar(value: Any) -> Any:
    """A setting as one value of a table: names in a list become one line, other lists their JSON text, none None."""
    if not isinstance(value, list):
        return value
    if all(isinstance(item, str) for item in value):
        return ", ".join(value) or None
    return json.dumps(value)
