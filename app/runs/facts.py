"""What is known of one run besides its curves: its settings, its targets, its machine and its pace. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from app import escape, format, text
from app.runs import details, listing
from app.tables import points
from engine.spec.run import RunSpec
from engine.spec.settings import columns_of
from engine.storage.records.event import PhaseEvent, StartEvent
from engine.storage.records.point import Point

_COLUMNS = columns_of(RunSpec)
_LEAST_GAINED, _LEAST_SECONDS = 0.02, 5.0  # of the run since it was started, before anything is foretold from them
_BYTES = "_bytes"  # how the name of a number of bytes ends


def settings(run: Mapping[str, Any]) -> pd.DataFrame:
    """The settings of a run that are not the usual ones, each with what is usual."""
    rows = [
        {
            "setting": points.SETTINGS[key],
            "here": details.setting_text(key, run[key]),
            "usually": details.setting_text(key, _COLUMNS[key].default),
        }
        for key in points.SETTINGS
        if run[key] != _COLUMNS[key].default
    ]
    return pd.DataFrame(rows, columns=["setting", "here", "usually"])


def targets(measured: Sequence[Point]) -> pd.DataFrame:
    """A row for the network that each target ended with and its 8-bit twin: accuracy, change and cost."""
    base = next((point for point in measured if point.stage == "baseline"), None)
    ends = [point for point in measured if point.final or point.stage == "quantized"]
    return pd.DataFrame([_target(point, base) for point in ends])


def goes_on_from(measured: Sequence[Point]) -> str:
    """Where a run goes on from when it is resumed: its last measured network."""
    if not measured:
        return "Nothing of it is measured yet: resumed, it begins anew."
    last = measured[-1]
    if last.stage == "baseline":
        return "Resumed, it goes on from its untouched network."
    return escape.plain(f"Resumed, it goes on from {format.ratio(last.keep)}, {_stage(last)}.")


def environment(env: Mapping[str, Any]) -> pd.DataFrame:
    """What a run was worked on by and with, as its folder says."""
    rows = [{"what": _name(key), "value": _value(key, value)} for key, value in env.items()]
    return pd.DataFrame(rows, columns=["what", "value"])


def remaining_seconds(run: Mapping[str, Any], events: Sequence[Mapping[str, Any]], now: float) -> float | None:
    """How long a run will still take at its pace since it was last started; None while that is too early to say."""
    starts = [number for number, event in enumerate(events) if event.get("kind") == StartEvent.KIND]
    begun = next((event for event in events[starts[-1] :] if _has_progress(event)), None) if starts else None
    if begun is None:
        return None
    gained, spent = run["progress"] - begun["progress"], now - begun["t"]
    if gained < _LEAST_GAINED or spent < _LEAST_SECONDS:
        return None
    return float(spent * (1 - run["progress"]) / gained)


def pace(run: Mapping[str, Any], events: Sequence[Mapping[str, Any]], expected: float | None, now: float) -> str:
    """How long a run has been worked on, and will be: at its pace, or else by what like ones took (`expected`, s)."""
    elapsed = max(0.0, now - (run["started"] or now))
    left = remaining_seconds(run, events, now)
    if left is None and expected is not None and expected > elapsed:
        left = expected - elapsed
    ahead = f"about {format.minutes(left)} left" if left is not None else "how long it will take shows in a moment"
    return f"running for {format.minutes(elapsed)} · {ahead}"


def _target(point: Point, base: Point | None) -> dict[str, Any]:
    latency = next(iter(point.latency), None)
    top1, untouched = point.top1, None if base is None else base.top1
    metric = "" if point.asked is None else f" {escape.plain(listing.metric_label(point.asked.metric))}"
    return {
        "target": f"{format.ratio(point.keep)}{metric}",
        "measured": _stage(point),
        "top1": None if top1 is None else 100 * top1,
        "change": None if top1 is None or untouched is None else 100 * (top1 - untouched),
        "macs": format.si(point.macs),
        "macs kept": point.got.macs,
        "parameters": format.si(point.params),
        "parameters kept": point.got.params,
        "p50": None if latency is None else latency.p50_ms,
        "size": format.si(point.bytes, "B"),
        "took": format.minutes(point.seconds),
    }


def _stage(point: Point) -> str:
    row = {name: getattr(point, name) for name in ("step", "top1", "stage", "final", "phase")}
    return text.stage_label({**row, "int8": point.stage == "quantized"})


def _has_progress(event: Mapping[str, Any]) -> bool:
    numbers = (event.get("progress"), event.get("t"))
    return event.get("kind") == PhaseEvent.KIND and all(isinstance(number, int | float) for number in numbers)


def _name(key: str) -> str:
    return escape.plain(key.removesuffix(_BYTES).replace("_", " "))


def _value(key: str, value: Any) -> str:
    if key.endswith(_BYTES) and isinstance(value, int) and not isinstance(value, bool):
        return format.si(value, "B")
    return escape.plain(value)
