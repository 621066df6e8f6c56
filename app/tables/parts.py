"""Points on their way into a table: what they have of their runs once a run, all else once a point. Pure functions."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from app import text
from app.tables import widths
from app.tables.widths import Widths
from engine.storage.indexing.columns import HOST_TIMING, NUMBERS, WIDTH_CODE, PointColumns
from engine.storage.records.measurement import Conditions, Latency, Measurement, Timed


@dataclass(frozen=True)
class TimingConditions:
    """Under which conditions a point was timed, in the order of its timings."""

    entries: tuple[Conditions, ...] = ()


@dataclass
class Part:
    """The points of some runs. `numbers` has a row a point and the columns `NUMBERS`; `of_run` says whose point it is.

    The other lists have an entry a point.
    """

    runs: list[Mapping[str, Any]] = field(default_factory=list)
    of_run: list[int] = field(default_factory=list)
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, len(NUMBERS))))
    stages: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trajectories: list[str | None] = field(default_factory=list)
    criteria: list[str | None] = field(default_factory=list)  # a point's own
    blocks: list[tuple[str, ...]] = field(default_factory=list)
    widths: list[Widths] = field(default_factory=list)
    timings: list[tuple[Timed, ...]] = field(default_factory=list)
    conditions: list[TimingConditions] = field(default_factory=list)

    def add(self, words: Sequence[Any], widths: Widths, run: int, host: str, known: "_Known") -> None:
        """A point but for its numbers: the first six of the index's words, and its timings last."""
        stage, phase, note, trajectory, criterion, blocks, *_, timings = words
        self.of_run.append(run)
        self.stages.append(stage)
        self.phases.append(phase)
        self.notes.append(note or "")
        self.trajectories.append(trajectory)
        self.criteria.append(criterion)
        self.blocks.append(known.blocks(blocks))
        self.widths.append(widths)
        entries = tuple([_timed(entry, host) for entry in timings])
        self.timings.append(entries)
        self.conditions.append(known.conditions(entries))


class _Known:
    """What thousands of points have in common is one object."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._of_hosts: dict[tuple[Any, ...], Conditions] = {}  # an equal one is found without making it
        self._single: dict[Conditions, Conditions] = {}
        self._together: dict[tuple[int, ...], TimingConditions] = {}  # by identity

    def blocks(self, names: Iterable[str]) -> tuple[str, ...]:
        key = tuple(names)
        return self._blocks.setdefault(key, key)

    def conditions(self, entries: tuple[Timed, ...]) -> TimingConditions:
        together = tuple([self._condition(entry) for entry in entries])
        key = tuple(map(id, together))
        found = self._together.get(key)
        if found is None:
            found = self._together[key] = TimingConditions(together)
        return found

    def _condition(self, entry: Timed) -> Conditions:
        if isinstance(entry, Measurement):
            return self._single.setdefault(entry.conditions, entry.conditions)
        key = (entry.host, entry.tool, entry.provider, entry.threads, entry.batch)
        found = self._of_hosts.get(key)
        if found is None:
            found = self._of_hosts[key] = self._single.setdefault(entry.conditions, entry.conditions)
        return found


def from_columns(runs: Iterable[tuple[Mapping[str, Any], PointColumns]]) -> Part:
    """The points of runs as the index has them: each run's summary, and its points as columns."""
    part, known, matrices = Part(), _Known(), []
    for number, (summary, columns) in enumerate(runs):
        part.runs.append(summary)
        matrices.append(columns.numbers)
        host, at = text.host_label(summary.get("host")), 0
        layouts = widths.layouts(columns.layouts)
        for words in from_json(columns.words, cache_strings="all"):
            of_point, at = widths.split(layouts[words[6]], columns.kept, at)
            part.add(words, of_point, number, host, known)
    part.numbers = np.frombuffer(b"".join(matrices)).reshape(-1, len(NUMBERS))
    return part


def from_rows(rows: Sequence[Mapping[str, Any]]) -> Part:
    """The same of points as `Store.points` gives them."""
    part, known = Part(), _Known()
    numbers: dict[str, int] = {}
    for row in rows:
        run = numbers.setdefault(str(row["run_id"]), len(numbers))
        if run == len(part.runs):
            part.runs.append(row)
        elif row.get("stage") == "baseline" and part.runs[run].get("stage") != "baseline":
            part.runs[run] = row  # a try may have another criterion than its run
        layers = row.get("widths") or {}
        of_point = Widths(
            widths.layout([(name, pair[0]) for name, pair in layers.items()]),
            array(WIDTH_CODE, [pair[1] for pair in layers.values()]).tobytes(),
        )
        words = [row.get(key) for key in ("stage", "phase", "note", "trajectory", "criterion")]
        words += [row.get("blocks_removed") or (), row.get("latency") or ()]
        part.add(words, of_point, run, text.host_label(row.get("host")), known)
    part.numbers = np.array([[_number(row.get(name)) for name in NUMBERS] for row in rows]).reshape(-1, len(NUMBERS))
    return part


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _timed(entry: Mapping[str, Any] | list[Any], host: str) -> Timed:
    """A timing as the index has it or a point, which both have checked it; of a host with the processor's name."""
    if isinstance(entry, list):
        entry = dict(zip(HOST_TIMING, entry, strict=True))
    if "device" in entry:
        return Measurement(**{key: value for key, value in entry.items() if key != "where"})
    return Latency(**{**entry, "host": host})
