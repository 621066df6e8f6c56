"""The points of all runs as one tidy table, and what is asked of it. Pure functions, nothing here reads a file."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from app import theme
from engine import stats

METRICS = ("top1", "top5", "val_top1", "loss", "params", "macs", "bytes")

# Settings in which runs can differ: key → heading. The table shows only those that do.
SETTINGS: dict[str, str] = {
    "model": "model",
    "data": "data",
    "weights": "weights",
    "criterion": "criterion",
    "order": "order",
    "seed": "seed",
    "metric": "target",
    "depth_share": "depth share",
    "scope": "scope",
    "round_to": "round to",
    "limit": "limit",
    "train_epochs": "training epochs",
    "train_lr": "training rate",
    "batch_size": "batch",
    "weight_decay": "weight decay",
    "label_smoothing": "label smoothing",
    "recover_epochs": "recovery epochs",
    "recover_lr": "recovery rate",
    "between_phases": "recovery between phases",
    "reestimate_bn": "batch norm re-estimated",
    "val_fraction": "validation share",
}
SAME_IMAGES = ["data", "limit"]  # accuracies on other images are not to be compared
_RUN = ("run_id", "group", "gallery", "state", "created", "host")
_DECORATION = re.compile(r"\((R|TM|C)\)| CPU\b", re.IGNORECASE)  # of processor names
_POINT = ("point", "stage", "phase", "keep", "final", *METRICS, "seconds")


def tidy(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Points joined with their run's settings → one row a point, with its run's baseline beside it.

    `id` is `<run_id>.<point>`. `baseline`, `before` (measured just before the recovery that ends a target) and `final`
    say what kind of point it is. Metrics are as stored: shares in 0..1, counts, bytes; `base_*` are the baseline's.
    """
    frame = pd.DataFrame([_flat(row) for row in rows])
    if frame.empty:
        return frame
    frame = frame.astype(dict.fromkeys((*METRICS, "keep", "seconds"), float))
    frame["flops"] = 2 * frame["macs"]
    frame["baseline"] = frame["stage"].eq("baseline")
    frame["before"] = frame["stage"].eq("pruned") & ~frame["final"] & _ends_a_target(frame)
    base = frame[frame["baseline"]].drop_duplicates("run_id").set_index("run_id")
    for metric in (*METRICS, "flops"):
        frame[f"base_{metric}"] = frame["run_id"].map(base[metric]).astype(float)
    frame["experiment"] = [experiment(row) for row in frame.to_dict("records")]
    frame["hover"] = [_hover(row) for row in frame.to_dict("records")]
    return frame


def experiment(run: Mapping[str, Any]) -> str:
    """What the filter calls a run's group: the runs that differ in nothing but their seed; the shipped ones are one."""
    return "Gallery" if run["gallery"] else f"{run['model']} {run['criterion']} {str(run['group'])[:6]}"


def of_kind(frame: pd.DataFrame, *, before: bool, steps: bool) -> pd.DataFrame:
    """Baselines and final points; with `before` those before recovery too, with `steps` those between phases too."""
    keep = frame["baseline"] | frame["final"]
    if before:
        keep |= frame["before"]
    if steps:
        keep |= ~frame["before"]
    return frame[keep]


def timings(frame: pd.DataFrame) -> list[str]:
    """The conditions under which the points were timed, the most frequent first."""
    names = pd.Series([conditions(entry) for entries in frame["latencies"] for entry in entries], dtype=object)
    return list(names.value_counts().index)


def with_latency(frame: pd.DataFrame, chosen: str | None) -> pd.DataFrame:
    """`frame` with `latency` and `base_latency` (p50, ms) under the conditions that `timings` names."""
    values = [
        next((entry["p50_ms"] for entry in entries if conditions(entry) == chosen), np.nan)
        for entries in frame["latencies"]
    ]
    frame = frame.assign(latency=pd.Series(values, index=frame.index, dtype=float))
    base = frame[frame["baseline"]].drop_duplicates("run_id").set_index("run_id")["latency"]
    return frame.assign(base_latency=frame["run_id"].map(base).astype(float))


def timed_row(frame: pd.DataFrame, point: str, chosen: str | None) -> tuple[dict[str, Any], str | None]:
    """The row of one point, and how its latency was measured: as `chosen`, or else the way this point was."""
    row = frame[frame["id"] == point]
    entries = row.iloc[0]["latencies"]
    entry = next((e for e in entries if conditions(e) == chosen), next(iter(entries), None))
    if entry is None:
        return row.iloc[0].to_dict(), None
    own_run = with_latency(frame[frame["run_id"] == row.iloc[0]["run_id"]], conditions(entry))
    return own_run[own_run["id"] == point].iloc[0].to_dict(), measured(entry)


def measured(entry: Mapping[str, Any]) -> str:
    """How a latency was measured: its conditions, the number of repetitions and, where there were enough, its p90."""
    p90 = f", p90 {theme.milliseconds(entry['p90_ms'])}" if entry.get("p90_ms") is not None else ""
    return f"{conditions(entry)}, n = {entry['n']}{p90}"


def conditions(entry: Mapping[str, Any]) -> str:
    """Under what a latency was measured: on which machine, by what, with how many threads and images at a time."""
    where = entry["host"] if entry["where"] == "host" else str(entry["where"])
    provider = str(entry["provider"]).removesuffix("ExecutionProvider")
    threads = f"{entry['threads']} thread" + ("s" if entry["threads"] != 1 else "")
    return f"{where}, {provider}, {threads}, batch {entry['batch']}"


def host_label(cpu: str | None) -> str:
    """A processor's name without its trade marks; runs that did not note theirs share one name."""
    return " ".join(_DECORATION.sub(" ", cpu).split()) if cpu else "unnamed host"


def front(frame: pd.DataFrame, x: str, y: str, *, y_better: Literal["high", "low"]) -> frozenset[str]:
    """The ids of the points that no other point on the same images beats on both axes."""
    ids: set[str] = set()
    for _, alike in frame.groupby(SAME_IMAGES, dropna=False):
        value = alike[y] if y_better == "high" else -alike[y]
        ids.update(alike["id"][stats.pareto(alike[x], value)])
    return frozenset(ids)


def within_budget(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    y_better: Literal["high", "low"],
    at_most: float | None,
    at_least: float | None,
) -> str | None:
    """The id of the best point with x at most and y at least (for a loss: at most) what is given; None when none is.

    With a budget on x it is the most accurate one (ties: the cheapest); with only a bound on y, the cheapest one.
    """
    if at_most is None and at_least is None:
        return None
    sign = 1.0 if y_better == "high" else -1.0
    fits = frame.dropna(subset=[x, y])
    if at_most is not None:
        fits = fits[fits[x] <= at_most]
    if at_least is not None:
        fits = fits[sign * fits[y] >= sign * at_least]
    if fits.empty:
        return None
    ranked = fits.assign(_loss=-sign * fits[y]).sort_values([x, "_loss"] if at_most is None else ["_loss", x])
    return str(ranked.iloc[0]["id"])


def halved(frame: pd.DataFrame) -> str | None:
    """The id of the most accurate final point that has at most half its network's MACs."""
    finals = frame[frame["final"] & ~frame["baseline"]]
    small = finals[finals["macs"] <= 0.5 * finals["base_macs"]].dropna(subset=["top1"])
    return None if small.empty else str(small.sort_values(["top1", "id"]).iloc[-1]["id"])


def differing(frame: pd.DataFrame) -> list[str]:
    """The settings in which the given points differ."""
    return [key for key in SETTINGS if frame[key].astype(str).nunique() > 1]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    out = {key: row.get(key) for key in (*_RUN, *SETTINGS, *_POINT)}
    out["id"] = f"{row['run_id']}.{row['point']}"
    out["final"] = bool(row.get("final"))
    out["gallery"] = bool(row.get("gallery"))
    out["latencies"] = [entry | {"host": host_label(row.get("host"))} for entry in row.get("latency") or ()]
    out["widths"] = row.get("widths") or {}
    out["blocks_removed"] = list(row.get("blocks_removed") or ())
    return out


def _ends_a_target(frame: pd.DataFrame) -> pd.Series:
    """Whether each point belongs to the phase in which its target was finished."""
    finals = frame[frame["final"] & ~frame["baseline"]]
    last = dict(zip(zip(finals["run_id"], finals["keep"], strict=True), finals["phase"], strict=True))
    keys = zip(frame["run_id"], frame["keep"], frame["phase"], strict=True)
    return pd.Series([last.get((run, keep)) == phase for run, keep, phase in keys], index=frame.index)


def _hover(row: Mapping[str, Any]) -> str:
    """Everything about one point, a line per topic."""
    if row["baseline"]:
        title = f"<b>{row['model']}, not pruned</b>"
    else:
        title = f"<b>{theme.criterion_label(row['criterion'])} · {theme.ratio(row['keep'])} {row['metric']}</b>"
    stage = {"pruned": "before recovery", "recovered": "after recovery"}.get(row["stage"], row["stage"])
    lines = [
        title,
        f"{row['model']} on {theme.data_label(row['data'])}, {theme.order_label(row['order'])}, seed {row['seed']}",
        "" if row["baseline"] else f"{stage}" + ("" if row["final"] else f", {row['phase']}"),
        f"top-1 {theme.percent(row['top1'])}{_apart(row)} · top-5 {theme.percent(row['top5'])} "
        f"· validation {theme.percent(row['val_top1'])}",
        f"MACs {_with_ratio(row, 'macs')} · parameters {_with_ratio(row, 'params')} · {theme.si(row['bytes'], 'B')}",
        *(f"p50 {theme.milliseconds(entry['p50_ms'])} ({measured(entry)})" for entry in row["latencies"]),
        f"weights {_file(row['weights'])}, trained {row['train_epochs']} epochs, recovered {row['recover_epochs']}",
        f"scope {row['scope']}, depth share {row['depth_share']:g}, rounded to {row['round_to']}"
        + (f", first {row['limit']:,} images" if row["limit"] and not pd.isna(row["limit"]) else ""),
        f"{'gallery ' if row['gallery'] else ''}run {row['run_id']}, point {row['point']}",
    ]
    return "<br>".join(line for line in lines if line)


def _file(weights: str) -> str:
    return weights.rsplit("/", 1)[-1]


def _apart(row: Mapping[str, Any]) -> str:
    if row["baseline"] or pd.isna(row["base_top1"]) or pd.isna(row["top1"]):
        return ""
    return f" ({theme.points_apart(row['top1'], row['base_top1'])})"


def _with_ratio(row: Mapping[str, Any], key: str) -> str:
    base = row[f"base_{key}"]
    shown = theme.si(row[key])
    return shown if row["baseline"] or pd.isna(base) or not base else f"{shown} ({theme.ratio(row[key] / base)})"
