"""What the index holds of one job folder: its state in the queue, its summary, and a run's points. No torch."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from engine.errors import RequestError, WorkError
from engine.spec.board_timing import TimingRequest
from engine.spec.landscape.request import LandscapeRequest
from engine.spec.messages import quote
from engine.spec.run import RunSpec
from engine.spec.settings import columns_of, settings_of
from engine.storage import files
from engine.storage.housekeeping import annotations
from engine.storage.indexing.columns import (
    NO_POINTS,
    NUMBERS,
    WORDS,
    ColumnBuilder,
    PointColumns,
    as_json,
    board_entry,
)
from engine.storage.indexing.request_values import RequestValues
from engine.storage.job_files import odd_files, time_in
from engine.storage.job_folder import Job, Run
from engine.storage.landscapes.job import Landscape
from engine.storage.records.measurement import Conditions, Latency, Measurement
from engine.storage.records.point import Point, Reached
from engine.storage.records.status import State, Status
from engine.storage.timings.job import Timing

Kind = Literal["run", "gallery", "timing", "landscape"]
DAMAGED = "is damaged: "  # in the error of a job whose folder cannot be read
CPU_LANE = "cpu"  # one job a lane at a time: this computer is one, every board another
_LONGEST = 500  # characters of a sentence
_MOST_TOGETHER = 6000  # characters of several points in one text, which fits into a row then
_COLUMNS = columns_of(RunSpec)
_SHARES = {field.name for field in fields(Reached)}
_OWN = {field.name: field for field in settings_of(LandscapeRequest) if field.place[0] != "spec"}  # a landscape's
_KEEP = next(field for field in settings_of(RunSpec) if field.name == "target.keep")
SETTINGS = tuple(_COLUMNS)
_VALUES = RequestValues(_COLUMNS)
_OWN_VALUES = RequestValues(_OWN)
_KEPT = RequestValues({"keep": _KEEP})
# What a row of a point has of its run besides the settings.
BESIDE = ("run_id", "group", "experiment", "gallery", "state", "created", "host")


@dataclass(frozen=True)
class FolderState:
    """A job folder at one moment: `stamp` changes whenever its status, points or timings on boards do."""

    path: Path
    kind: Kind
    stamp: str
    measurements_file: Path | None = None  # where a run's timings on boards are

    def run(self) -> Run:
        return Run(self.path, gallery=self.kind == "gallery", measurements_file=self.measurements_file)


def kind_of(job: Job) -> Kind:
    """What kind of job of the user's it is."""
    return "timing" if isinstance(job, Timing) else "landscape" if isinstance(job, Landscape) else "run"


@dataclass(frozen=True, slots=True)
class Head:
    """A job as the queue sees it: in which state it is, in which lane it goes, and how many points it has."""

    job_id: str
    stamp: str
    kind: Kind
    lane: str
    state: State
    foreground: bool
    queued: float
    created: float
    points: int

    def needs_process(self) -> bool:
        """Whether a process works on the job of the user's, if nothing went wrong."""
        return self.kind != "gallery" and (self.state == "running" or (self.state == "queued" and self.foreground))


@dataclass(frozen=True)
class Row:
    """All of a job: its head, its summary as JSON, and its points: as columns, and as texts of many, joined by commas.

    It is made once and read often.
    """

    head: Head
    summary: str
    columns: PointColumns = NO_POINTS
    points: tuple[str, ...] = ()


def stamp(path: str, grows: Iterable[str]) -> str:
    """What distinguishes one state of a job folder from the next, by a stat a file.

    A status is replaced, so its inode counts too (the clock of a file system may stand still for milliseconds);
    the other files only grow. The folder's own time tells when something is put in the place of one of them.
    """
    parts: list[int] = []
    for file in (f"{path}/status.json", path, *grows):
        try:
            state = os.lstat(file)
        except OSError:
            parts.append(0)
            continue
        parts += [state.st_mtime_ns, state.st_size]
        if not parts[2:]:
            parts.append(state.st_ino)
    return ".".join(map(str, parts))


def index_row(job_id: str, folder: FolderState) -> Row:
    """What the index holds of a folder; one that cannot be read becomes a failed job that says so."""
    try:
        for path, kind in odd_files(folder.path):
            raise WorkError(f"{path.name} is {kind}, which is not followed")
        return _ROWS[folder.kind](job_id, folder)
    except (RequestError, WorkError) as error:
        reason = str(error)
    except Exception as error:  # whatever a stranger's file brings about: the others are to be seen
        reason = f"its files brought about {type(error).__name__}: {error}"
    noun = "run" if folder.kind == "gallery" else folder.kind
    summary = _damaged_summary(job_id, folder, f"this {noun} {DAMAGED}{reason[:_LONGEST]}")
    head = Head(job_id, folder.stamp, folder.kind, CPU_LANE, "failed", False, 0.0, summary["created"], 0)
    return Row(head, as_json(summary))


def _run(run_id: str, folder: FolderState) -> Row:
    run = folder.run()
    status, request = run.status(), run.request()
    points = _Points(run.measurements(), _model_files(folder.path))
    for point, text in run.described_lines(request):
        points.add(point, text)
    summary = _summary(run, status, points, request)
    head = _head(run_id, folder, CPU_LANE, status, points.count)
    return Row(head, as_json(summary), points.columns(), points.texts())


def _model_files(run: Path) -> frozenset[str]:
    """The names in the folder of a run's networks."""
    try:
        return frozenset(files.names_in(f"{run}/models"))
    except OSError:
        return frozenset()  # there is none yet


def _timing(job_id: str, folder: FolderState) -> Row:
    timing = Timing(folder.path)
    status, request = timing.status(), timing.spec()
    summary = {
        "job_id": job_id,
        "state": status.state,
        "progress": status.progress,
        "phase": status.phase,
        "message": status.message,
        "error": status.error,
        **request.model_dump(mode="json"),
        "created": status.times.created,
        "started": status.times.started,
        "finished": status.times.finished,
    }
    return Row(_head(job_id, folder, f"device {request.device}", status, 0), as_json(summary))


def _landscape(job_id: str, folder: FolderState) -> Row:
    landscape = Landscape(folder.path)
    status, request = landscape.status(), landscape.request()
    asked = request.get("spec", {})
    if not isinstance(asked, Mapping):
        raise WorkError(f"spec of its request is {quote(asked)}")
    summary = {
        "run_id": job_id,
        "kind": folder.kind,
        "group": status.group,
        "state": status.state,
        "progress": status.progress,
        "phase": status.phase,
        "message": status.message,
        "error": status.error,
        "host": landscape.env().get("cpu"),
        **_VALUES(asked),
        **_OWN_VALUES(request),
        "created": status.times.created,
        "started": status.times.started,
        "finished": status.times.finished,
    }
    return Row(_head(job_id, folder, CPU_LANE, status, 0), as_json(summary))


_ROWS: Mapping[Kind, Callable[[str, FolderState], Row]] = {
    "run": _run,
    "gallery": _run,
    "timing": _timing,
    "landscape": _landscape,
}


def _head(job_id: str, folder: FolderState, lane: str, status: Status, points: int) -> Head:
    times = status.times
    place = (job_id, folder.stamp, folder.kind, lane)
    return Head(*place, status.state, status.foreground, float(times.queued), float(times.created), points)


class _Points:
    """A run's points, with what boards measured of them among their latencies: the last timing under each condition;
    and what a summary says of them.
    """

    def __init__(self, measurements: Iterable[Measurement], model_files: frozenset[str]) -> None:
        self._timings: dict[int, dict[Conditions, Measurement]] = {}
        for measurement in measurements:
            self._timings.setdefault(measurement.point, {})[measurement.conditions] = measurement
        self._model_files = model_files
        self._columns = ColumnBuilder()
        self._texts: list[str] = []
        self._open: list[str] = []  # of the text that is not full yet, and its length
        self._length = 0
        self.count = 0
        self.baseline_top1: float | None = None
        self.best_top1: float | None = None
        self.best_cost: float | None = None  # of that point, a share of the baseline's in what its target is stated in

    def add(self, point: Point, text: str) -> None:
        """The next point, and its JSON."""
        timings = self._timings.get(point.point, {}).values()
        if timings:
            document = json.loads(text)
            document["latency"] += map(board_entry, timings)
            text = as_json(document)
        self._columns.add(point, timings, onnx=f"p{point.point}.onnx" in self._model_files)
        self.count += 1
        if self._open and self._length + len(text) > _MOST_TOGETHER:
            self._close_text()
        self._open.append(text)
        self._length += len(text)
        if point.stage == "baseline" and self.baseline_top1 is None:
            self.baseline_top1 = point.top1
        if point.final and point.top1 is not None and point.top1 >= (self.best_top1 or 0.0):
            self.best_top1 = point.top1
            self.best_cost = _share_kept(point)

    def columns(self) -> PointColumns:
        """All points that were added as columns."""
        return self._columns.columns() if self.count else NO_POINTS

    def texts(self) -> tuple[str, ...]:
        """Their JSON, as `Row` has it."""
        if self._open:
            self._close_text()
        return tuple(self._texts)

    def _close_text(self) -> None:
        self._texts.append(",".join(self._open))
        self._open, self._length = [], 0


def _share_kept(point: Point) -> float | None:
    """What a point has of the baseline's cost, in what its target is stated in; None where that is not known."""
    metric = None if point.asked is None else point.asked.metric
    return point.got.share(metric) if metric in _SHARES else None


def layout() -> dict[str, Any]:
    """What a row is made of. Rows written under another layout say other things, so the index's version is its hash."""
    columns = {column: [field.name, field.default] for column, field in _COLUMNS.items()}
    timing = {field.name: field.default for field in settings_of(TimingRequest)}
    summary = _damaged_summary("", FolderState(Path(), "run", ""), "")
    return {
        "columns": columns,
        "summary": sorted(summary),
        "timing": timing,
        "landscape": sorted(_damaged_summary("", FolderState(Path(), "landscape", ""), "")),
        "point": [field.name for field in fields(Point)],
        "timings": [field.name for kind in (Conditions, Latency, Measurement) for field in fields(kind)],
        "numbers": NUMBERS,
        "words": WORDS,
    }


def _summary(run: Run, status: Status, points: _Points, request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "group": status.group,
        "experiment": status.experiment,
        "gallery": run.gallery,
        "state": status.state,
        "progress": status.progress,
        "phase": status.phase,
        "message": status.message,
        "error": status.error,
        "host": run.env().get("cpu"),
        **_VALUES(request),
        **_KEPT(request),
        "created": status.times.created,
        "started": status.times.started,
        "finished": status.times.finished,
        "points": points.count,
        "baseline_top1": points.baseline_top1,
        "best_top1": points.best_top1,
        "best_cost": points.best_cost,
        **annotations.read_or_empty(run).to_json(),
    }


def _damaged_summary(job_id: str, folder: FolderState, sentence: str) -> dict[str, Any]:
    created = time_in(job_id)
    failure = {"state": "failed", "progress": 0.0, "created": created, "message": sentence, "error": sentence}
    if folder.kind == "timing":
        missing = (*TimingRequest.model_fields, "phase", "started", "finished")
        return {**dict.fromkeys(missing), **failure, "job_id": job_id, "points": []}
    if folder.kind == "landscape":
        missing = (*_COLUMNS, *_OWN, "group", "host", "phase", "started", "finished")
        return {**dict.fromkeys(missing), **failure, "run_id": job_id, "kind": folder.kind}
    names = ("group", "experiment", "host", "phase")
    missing = (*_COLUMNS, *names, "keep", "started", "finished", "baseline_top1", "best_top1")
    run_values = {"run_id": job_id, "gallery": folder.kind == "gallery", "points": 0, "best_cost": None}
    run_values |= annotations.read_or_empty(folder.run()).to_json()
    return {**dict.fromkeys(missing), **failure, **run_values}
