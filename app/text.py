"""One measured point in words: what it is, how it was made and measured. Rows are those of `app.tables.points.tidy`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from app import escape, format
from engine import words
from engine.spec.catalog import CRITERIA
from engine.spec.images.domains import Domains
from engine.spec.run import RunSpec, phases_of
from engine.spec.settings import columns_of
from engine.storage.records.measurement import Conditions, Latency, Measurement, Timed
from engine.storage.records.remarks import NEAR_CHANCE

_DECORATION = re.compile(r"\((R|TM|C)\)| CPU\b", re.IGNORECASE)  # of processor names
_LONGEST_LINE, _MOST_TIMINGS = 300, 12  # characters of a line of a point's details, and timings in them
ORDER_LABELS: dict[str, str] = {
    "layers-channels": "layers → channels",
    "channels-layers": "channels → layers",
    "layers": "layers",
    "channels": "channels",
    "alternate": "alternate",
}

# What an attempt is judged by.
MEASURE_LABELS: dict[str, str] = {
    "accuracy": "accuracy",
    "loss": "loss",
    "divergence": "divergence",
    "cka": "CKA",
    "reconstruction": "what reconstruction leaves over",
}

# Settings with words of their own in the lines of a point's details; all others stand there under their headings.
_IN_LINES = """
    model data weights limit seed criterion order metric depth_share depth_method width_method scope round_to
    measure race between_steps_batches train_epochs recover_epochs distil
"""
_OTHERS = {column: field for column, field in columns_of(RunSpec).items() if column not in _IN_LINES.split()}


def sentence(message: str, name: str | None = None) -> str:
    """An error as a page shows it, with a capital and a full stop; what is quoted in it looks as it is.

    A sentence that begins with `name`, or with what is no plain word, such as my/mine, keeps it as it is written.
    """
    text = escape.plain(message, escape.LONGEST_SENTENCE)
    is_word = re.match(r"[^\W_]+(?=[\s,;:'’-]|$)", text) and not (name and text.startswith(name))
    first = text[:1].upper() if is_word else text[:1]
    return escape.message(first + text[1:] + ("" if text.endswith((".", "?", "!", "…")) else "."))


def title(row: Mapping[str, Any]) -> str:
    """A pruned point in a few words: `BN scale 0.50×`, and whether it is the INT8 one."""
    return f"{criterion_label(row['criterion'])} {format.ratio(row['keep'])}" + (" INT8" if row["int8"] else "")


def point_label(row: Mapping[str, Any]) -> str:
    """A point in one line, distinct in a list of others, what differs most first."""
    network = f"{row['model']} on {row['data_label']}"
    if row["baseline"]:
        return f"Not pruned, {format.percent(row['top1'])} · {network} · seed {row['seed']}"
    return f"{title(row)}, {format.percent(row['top1'])} · {method(row)} · {network} · seed {row['seed']}"


def method(row: Mapping[str, Any]) -> str:
    """The order and methods of a run, as a page shows them."""
    return method_label(row["order"], row["depth_method"], row["width_method"])


def is_try(row: Mapping[str, Any]) -> bool:
    """Whether a point is a network that a search tried, which has no figures of the test split."""
    return not pd.isna(row["step"]) and pd.isna(row["top1"])


def targets(run: Mapping[str, Any]) -> str:
    """What a run asks for: its ratios, or the accuracy that the smallest network is to keep."""
    if run["lose"] is not None:
        return f"lose ≤ {run['lose']:g} " + ("point" if run["lose"] == 1 else "points")
    if run["at_least"] is not None:
        return f"≥ {format.percent(run['at_least'])}"
    return ", ".join(format.ratio(keep) for keep in run["keep"])


def stage_label(row: Mapping[str, Any]) -> str:
    """At what stage of its run a point was measured: `after recovery, layers, step 3`."""
    is_step = not pd.isna(row["step"])
    if is_try(row):
        return f"try {row['step']:.0f}, validation only"
    pruned = "not recovered" if row["final"] or is_step else "before recovery"
    stages = {"pruned": pruned, "reconstructed": "reconstructed", "recovered": "after recovery", "quantized": "INT8"}
    step = f", step {row['step']:.0f}" if is_step else ""
    phase = "" if row["int8"] or (row["final"] and not is_step) else f", {row['phase']}"
    return stages.get(row["stage"], str(row["stage"])) + phase + step


def describe_latency(entry: Latency) -> str:
    """How a host measured a latency: its conditions, the number of repetitions and, where there were enough, p90."""
    p90 = f", p90 {format.milliseconds(entry.p90_ms)}" if entry.p90_ms is not None else ""
    return f"{host_conditions(entry.conditions)}, n = {entry.n:,}{p90}"


def host_conditions(conditions: Conditions) -> str:
    """Under what a host measured a latency: on which machine, by what, with how many threads and images at a time."""
    return f"{conditions.host}, {_provider(conditions)}, {threads(conditions.threads or 0)}, batch {conditions.batch}"


def board_conditions(conditions: Conditions) -> str:
    """Under what a board measured: `TensorRT 8.2.1, FP16, MAXN, clocks locked`. The board's name is not in it."""
    tensorrt = conditions.tool == "trtexec"
    parts = [f"{'TensorRT' if tensorrt else 'ONNX Runtime'} {conditions.version or ''}".strip()]
    parts += [] if tensorrt else [_provider(conditions)]
    parts += [threads(conditions.threads)] if conditions.threads else []
    parts += [str(conditions.precision).upper()]
    parts += [conditions.power_mode] if conditions.power_mode else []
    parts += ["clocks locked"] if conditions.clocks_locked else []
    return ", ".join(parts)


def describe_measurement(entry: Measurement) -> str:
    """How a board measured, with its numbers besides p50: a line per topic."""
    samples = [f"n = {entry.n:,}"]
    samples += [f"{key} {format.milliseconds(ms)}" for key, ms in (("p90", entry.p90_ms), ("p99", entry.p99_ms)) if ms]
    details = [
        f"{name} {format.milliseconds(value)}"
        for name, value in (("GPU compute", entry.gpu_p50_ms), ("transfers", entry.transfer_ms))
        if value is not None
    ]
    rail = f" ({entry.power_rail})" if entry.power_rail else ""
    details += [format.si(entry.power_mw / 1000, "W") + rail] if entry.power_mw else []
    details += [format.millijoules(entry.energy_mj)] if entry.energy_mj else []
    throttled = f"throttled: {entry.why_throttled or 'the board slowed itself down'}" if entry.throttled else ""
    no_power = f"no power: {entry.why_no_power}" if entry.why_no_power else ""
    head = f"{board_conditions(entry.conditions)}; {', '.join(samples)}"
    return "\n".join(line for line in (head, ", ".join(details), throttled, no_power) if line)


def _provider(conditions: Conditions) -> str:
    return str(conditions.provider).removesuffix("ExecutionProvider")


def threads(count: int) -> str:
    """How many threads something runs with: `1 thread`."""
    return words.count(count, "thread")


def host_label(cpu: object) -> str:
    """A processor's name without its trade marks; runs that did not note theirs share one name."""
    name = escape.plain(cpu) if isinstance(cpu, str) else ""
    return " ".join(_DECORATION.sub(" ", name).split()) or "unnamed host"


def details(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything about one point that the few lines under the pointer have no room for, a line for each topic."""
    lines = [
        f"{row['model']} on {row['data_label']}, {method(row)}, seed {row['seed']}",
        "" if row["baseline"] else f"{format.ratio(row['keep'])} {row['metric']} asked for, {stage_label(row)}",
        NEAR_CHANCE if row["at_chance"] else "",
        *_accuracy_lines(row),
        f"MACs {_with_ratio(row, 'macs')} · parameters {_with_ratio(row, 'params')} · {format.si(row['bytes'], 'B')}",
        *(line for entry in row["latencies"][:_MOST_TIMINGS] for line in _timing_lines(entry)),
        "" if pd.isna(row["predicted_ms"]) else f"predicted {format.milliseconds(row['predicted_ms'])}",
        f"weights {_file_name(row['weights'])}, trained {row['train_epochs']} epochs, recovered {row['recover_epochs']}"
        + (", distilled" if row["distil"] else ""),
        _attempts_line(row),
        f"scope {row['scope']}, depth share {row['depth_share']:g}, rounded to {row['round_to']}"
        + (f", first {row['limit']:,} images" if row["limit"] and not pd.isna(row["limit"]) else ""),
        _settings_line(row),
        row["note"],
        f"{'gallery ' if row['gallery'] else ''}run {row['run_id']}, point {row['point']}",
    ]
    return tuple(escape.plain(line, _LONGEST_LINE) for line in lines if line)


def mean_over_seeds(mean: float, half_width: float, n: int) -> str:
    """A mean share with its interval: `90.1 ± 0.4 % over 3 seeds`; without one where there are too few seeds for it."""
    seeds = f"{n} seed" + ("" if n == 1 else "s")
    if pd.isna(half_width):
        return f"{format.percent(mean)} over {seeds}"
    return f"{100 * mean:.1f} ± {100 * half_width:.1f} % over {seeds}"


def _timing_lines(entry: Timed) -> list[str]:
    p50 = format.milliseconds(entry.p50_ms)
    if isinstance(entry, Measurement):
        first, *others = describe_measurement(entry).split("\n")
        return [f"on {entry.device}: p50 {p50}; {first}", *others]
    return [f"p50 {p50} ({describe_latency(entry)})"]


def _attempts_line(row: Mapping[str, Any]) -> str:
    """How a run's attempts were judged; empty where its spec has no such setting."""
    measure = "" if pd.isna(row["measure"]) else f"attempts judged by {measure_label(row['measure'])}"
    race = "raced" if row["race"] else ""
    batches = f"{row['between_steps_batches']} batches after each step" if row["between_steps_batches"] else ""
    return ", ".join(filter(None, (measure, race, batches)))


def _settings_line(row: Mapping[str, Any]) -> str:
    """The settings that no other line of the details has, where they differ from their default."""
    parts = []
    for column, field in _OTHERS.items():
        value = row.get(column)
        if pd.isna(value) or value == field.default:
            continue
        if isinstance(value, bool):
            parts.append(field.heading if value else f"no {field.heading}")
        else:
            number = f"{value:g}" if isinstance(value, float) else _file_name(str(value))
            parts.append(f"{field.heading} {number} {field.setting.unit}".rstrip())
    return ", ".join(parts)


def _file_name(weights: str) -> str:
    return weights.rsplit("/", 1)[-1]


def _accuracy_lines(row: Mapping[str, Any]) -> list[str]:
    """A line, or one for each domain where the network is carried over from one to another."""
    domains: Domains = row["domains"]
    tested = f"top-1 {format.percent(row['top1'])}{_difference(row, 'top1')} · top-5 {format.percent(row['top5'])}"
    validated = f"validation {format.percent(row['val_top1'])}"
    if domains.target is None:
        return [f"{tested} · {validated}"]
    source = f"top-1 {format.percent(row['source_top1'])}{_difference(row, 'source_top1')}"
    return [f"on {domains.target}, the target: {tested}", f"on {domains.source}, the source: {source} · {validated}"]


def _difference(row: Mapping[str, Any], column: str) -> str:
    base = row[f"base_{column}"]
    if row["baseline"] or pd.isna(base) or pd.isna(row[column]):
        return ""
    return f" ({format.percentage_points(row[column], base)})"


def _with_ratio(row: Mapping[str, Any], key: str) -> str:
    base = row[f"base_{key}"]
    number = format.si(row[key])
    return number if row["baseline"] or pd.isna(base) or not base else f"{number} ({format.ratio(row[key] / base)})"


def criterion_label(criterion: str) -> str:
    return " + ".join(CRITERIA[name].label if name in CRITERIA else name for name in criterion.split("+"))


def order_label(order: str) -> str:
    return ORDER_LABELS.get(order, order)


def measure_label(measure: str | None) -> str:
    return format.MISSING if measure is None else MEASURE_LABELS.get(measure, measure)


def method_label(order: str, depth_method: str | None, width_method: str | None) -> str:
    """The order with the method of each phase that is not done at once: `direct layers → channels`."""
    methods = {"layers": depth_method, "channels": width_method}
    iterative = {phase: f"{method} " for phase, method in methods.items() if method not in (None, "one-shot")}
    return " → ".join(iterative.get(phase, "") + order_label(phase) for phase in phases_of(order))


# Settings whose stored values have names of their own.
NAMES: dict[str, Callable[[Any], str]] = {
    "criterion": criterion_label,
    "order": order_label,
    "measure": measure_label,
}
