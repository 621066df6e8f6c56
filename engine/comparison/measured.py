"""The figures that runs have measured, one for each target of each run, as the index has them."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite
from typing import Any

from pydantic_core import from_json

from engine.comparison.metrics import LATENCY, Metric
from engine.errors import RequestError
from engine.storage.indexing.columns import HOST_TIMING, NUMBER_CODE, NUMBERS, PointColumns
from engine.storage.records.measurement import Conditions, Latency, Measurement, Timed

Summary = Mapping[str, Any]
Baseline = tuple[float | None, ...]
_TARGETS = {"macs": "MACs", "params": "parameters", "latency": "latency"}
# What tells networks apart that were not pruned yet, beside their name and their images.
_OF_BASELINE = ("top1", "val_top1", "loss", "params", "macs")


@dataclass(frozen=True)
class Measured:
    """What a run came to at one target; `value` is None where that was not measured.

    `settings` are the run's, by column. `baseline` are the figures of the network that it began with, None where they
    are not known: only runs that began with the same network are compared.
    """

    run_id: str
    created: float
    seed: int
    settings: Summary
    target: str
    baseline: Baseline | None
    value: float | None


@dataclass(frozen=True)
class _Point:
    stage: str
    numbers: Mapping[str, float]
    timings: Sequence[Any]

    def number(self, name: str) -> float | None:
        value = self.numbers[name]
        return value if isfinite(value) else None


@dataclass(frozen=True)
class Figures:
    """What was read: the figures, and under which conditions latencies were measured, None where they are others."""

    rows: tuple[Measured, ...]
    conditions: Conditions | None


def read(
    columns: Iterable[tuple[Summary, PointColumns]], metric: Metric, *, at: float | None, int8: bool, board: str | None
) -> Figures:
    """The figures of runs at each of their targets, or at one.

    `int8` takes the 8-bit network of each target. Latencies are of this host or of a board, all under the conditions
    that most of these points were timed under. RequestError where no run has such a point.
    """
    runs = [(run, list(_points(each))) for run, each in columns]
    ends = [
        (run, points, point) for run, points in runs for point in points if _is_end(point, int8) and _is_at(point, at)
    ]
    if not ends:
        raise RequestError(_no_end([run for run, _ in runs], at, int8))
    timings = [_timings(point, run) if metric.name == LATENCY else [] for run, _, point in ends]
    conditions = _commonest(timings, board) if metric.name == LATENCY else None
    rows = []
    for (run, points, point), timed in zip(ends, timings, strict=True):
        if metric.name == LATENCY:
            value = next((entry.p50_ms for entry in timed if entry.conditions == conditions), None)
        else:
            value = point.number(metric.name)
        of_run = (str(run["run_id"]), float(run["created"]), int(run["seed"]), run)
        rows.append(Measured(*of_run, _target(run, point), _baseline(points), value))
    return Figures(tuple(rows), conditions)


def _points(columns: PointColumns) -> Iterator[_Point]:
    numbers = array(NUMBER_CODE, columns.numbers)
    width = len(NUMBERS)
    for place, words in enumerate(from_json(columns.words)):
        row = numbers[place * width : (place + 1) * width]
        yield _Point(words[0], dict(zip(NUMBERS, row, strict=True)), words[-1])


def _is_end(point: _Point, int8: bool) -> bool:
    quantized = point.stage == "quantized"
    return quantized if int8 else point.numbers["final"] == 1 and not quantized and point.stage != "baseline"


def _is_at(point: _Point, at: float | None) -> bool:
    return at is None or isclose(point.numbers["keep"], at)


def _no_end(runs: Sequence[Summary], at: float | None, int8: bool) -> str:
    if at is not None:
        asked = sorted({keep for run in runs for keep in run.get("keep") or ()}, reverse=True)
        there = ", ".join(f"{keep:g}" for keep in asked) or "none"
        return (
            f"none of these runs has {'an 8-bit network at' if int8 else 'the target'} {at:g}; their targets: {there}"
        )
    what = "an 8-bit network, as --int8 makes one" if int8 else "finished a target"
    return f"none of these runs has {what}; compare them when they are done"


def _target(run: Summary, point: _Point) -> str:
    if run.get("lose") is not None:
        return f"at most {run['lose']:g} point{'' if run['lose'] == 1 else 's'} lost"
    if run.get("at_least") is not None:
        return f"accuracy at least {100 * run['at_least']:g} %"
    return f"{point.numbers['keep']:g}× {_TARGETS.get(str(run['metric']), run['metric'])}"


def _baseline(points: Sequence[_Point]) -> Baseline | None:
    first = next((point for point in points if point.stage == "baseline"), None)
    return None if first is None else tuple(first.number(name) for name in _OF_BASELINE)


def _timings(point: _Point, run: Summary) -> list[Timed]:
    entries: list[Timed] = []
    for entry in point.timings:
        if isinstance(entry, list):
            host = run.get("host")
            named = {**dict(zip(HOST_TIMING, entry, strict=True)), "host": host if isinstance(host, str) else None}
            entries.append(Latency(**named))
        else:
            entries.append(Measurement(**{key: value for key, value in entry.items() if key != "where"}))
    return entries


def _commonest(timings: Sequence[Sequence[Timed]], board: str | None) -> Conditions:
    counts = Counter(
        conditions for timed in timings for conditions in {t.conditions for t in timed} if conditions.device == board
    )
    if not counts:
        raise RequestError(
            "none of these points was timed on this kind of host; `espalier time` does it"
            if board is None
            else f"none of these points was timed on the board {board}; `espalier device time` does it"
        )
    return counts.most_common(1)[0][0]
