"""The figures of the models under each other, with their differences to the first one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app import escape, format, text
from app.compare import groups
from app.compare.models import Model, whose_layers
from app.tables import points, selection
from app.tables.selection import SEEDS_FOR_INTERVAL
from engine.storage.records.remarks import NEAR_CHANCE

_LONGEST = 60  # characters of a setting
_ALIKE = 1e-9  # of a mean: what rounding leaves of equal numbers
_OF_PRUNING = ("criterion", "order")  # settings that say nothing of a network that was not pruned


@dataclass(frozen=True)
class _Metric:
    """A number of the tidy table: how it is written, and how it differs from the first model's."""

    label: str
    column: str
    write: Callable[[float], str]
    difference: Callable[[float, float], str]
    is_quality: bool = False  # says something on the same images only


def _points(value: float, first: float) -> str:
    return format.percentage_points(value, first)


def _ratio(value: float, first: float) -> str:
    return format.ratio(value / first) if first else ""


_METRICS = (
    _Metric("Top-1 accuracy", "top1", format.percent, _points, True),
    _Metric("Top-1 on the source", "source_top1", format.percent, _points, True),
    _Metric("Top-5 accuracy", "top5", format.percent, _points, True),
    _Metric("Validation top-1", "val_top1", format.percent, _points, True),
    _Metric("Loss", "loss", "{:.3f}".format, lambda value, first: f"{value - first:+.3f}".replace("-", "−"), True),
    _Metric("MACs", "macs", format.si, _ratio),
    _Metric("Parameters", "params", format.si, _ratio),
    _Metric("Size", "bytes", lambda value: format.si(value, "B"), _ratio),
    _Metric("Latency p50", "latency", format.milliseconds, _ratio),
)


def show(models: Sequence[Model], host: str | None) -> None:
    """The table, and how its latencies were measured."""
    shown = table(models).map(escape.markdown)
    shown.columns = [escape.markdown(column) for column in shown.columns]
    st.table(shown, border="horizontal", alt=f"The figures of {len(models)} models, with their differences to A")
    said = "In brackets: the difference to A."
    if any(model.seeds for model in models):
        said += f" Of a group: the mean over its seeds, from {SEEDS_FOR_INTERVAL} on ± half its 95 % interval."
    if host is not None and not pd.isna([model.row["latency"] for model in models]).all():
        said += f" Latency: {escape.markdown(host)}."
    st.caption(f"{said} {whose_layers(models)}".rstrip())


def table(models: Sequence[Model]) -> pd.DataFrame:
    """A row for each number that one of the models has and each setting in which they differ, a column a model."""
    rows = {
        metric.label: [_cell(metric, model, models[0]) for model in models]
        for metric in _METRICS
        if any(not pd.isna(model.figure(metric.column)) for model in models)
    }
    rows |= _facts(models)
    return pd.DataFrame.from_dict(rows, orient="index", columns=[model.title for model in models])


def _cell(metric: _Metric, model: Model, first: Model) -> str:
    value, reference = model.figure(metric.column), first.figure(metric.column)
    if pd.isna(value):
        return format.MISSING
    alone = model is first or pd.isna(reference) or (metric.is_quality and not model.is_of_same_data(first))
    difference = "" if alone else metric.difference(value, reference)
    written = _with_interval(metric, model, value)
    return f"{written} ({difference})" if difference else written


def _with_interval(metric: _Metric, model: Model, value: float) -> str:
    """`87.6 ± 0.4 %` for the mean of a group; the number alone where there are too few seeds, or all are alike."""
    written, interval = metric.write(value), model.intervals.get(metric.column)
    if interval is None or interval.high is None or interval.n < SEEDS_FOR_INTERVAL:
        return written
    half = interval.high - interval.mean
    if half <= _ALIKE * abs(interval.mean):
        return written
    spread = metric.write(half)
    unit = " " + spread.partition(" ")[2]
    return f"{written.removesuffix(unit) if len(unit) > 1 else written} ± {spread}"


def _facts(models: Sequence[Model]) -> dict[str, list[str]]:
    """What the models are where they are not all the same."""
    of_groups = [{"seed": groups.numbers(model.seeds)} if model.seeds else {} for model in models]
    frame = pd.DataFrame([{**model.row, **of_group} for model, of_group in zip(models, of_groups, strict=True)])
    rows = {_heading(key): [_in_words(key, model) for model in models] for key in selection.differing_settings(frame)}
    rows["Measured"] = ["baseline" if model.row["baseline"] else text.stage_label(model.row) for model in models]
    rows["Doubt"] = [NEAR_CHANCE if model.row["at_chance"] else "" for model in models]
    return {label: values for label, values in rows.items() if any(values) and len(set(values)) > 1}


def _heading(key: str) -> str:
    heading = points.SETTINGS[key]
    return heading[:1].upper() + heading[1:]


def _in_words(key: str, model: Model) -> str:
    """A setting of a model as a page shows it."""
    if key == "seed" and model.seeds:
        return groups.numbers(model.seeds)
    value = model.row["data_label"] if key == "data" else model.row[key]
    if pd.isna(value) or (model.row["baseline"] and key in _OF_PRUNING):
        return format.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return escape.plain(text.NAMES[key](value) if key in text.NAMES else value, _LONGEST)
