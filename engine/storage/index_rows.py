"""What the index holds of one job folder: its state in the queue, its summary, and a run's points. No torch."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic_core import to_json

from engine.errors import RequestError, WorkError
from engine.spec.board_timing import TimingRequest
from engine.spec.landscape.request import LandscapeRequest
from engine.spec.messages import quote
from engine.spec.run import RunSpec
from engine.spec.settings import SpecField, columns_of, settings_of
from engine.storage.housekeeping import annotations
from engine.storage.job_files import odd_files, time_in
from engine.storage.job_folder import Job, Run
from engine.storage.landscapes.job import Landscape
from engine.storage.records.measurement import Conditions, Measurement
from engine.storage.records.point import Point, Reached
from engine.storage.records.status import State, Status
from engine.storage.timings.job import Timing

Kind = Literal["run", "gallery", "timing", "landscape"]
DAMAGED = "is damaged: "  # in the error of a job whose folder cannot be read
CPU_LANE = "cpu"  # one job a lane at a time: this computer is one, every board another
_LONGEST = 500  # characters of a sentence
_LONGEST_TEXT = 4096  # of a setting: as long as a path may be
_MOST_VALUES = 1000  # of a list
_COLUMNS = columns_of(RunSpec)
_SHARES = {field.name for field in fields(Reached)}
_OWN = {field.name: field for field in settings_of(LandscapeRequest) if field.place[0] != "spec"}  # a landscape's
_KEEP = next(field for field in settings_of(RunSpec) if field.name == "target.keep")


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


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Row:
    """All of a job: its head, its summary, what stands beside each of its points, and the points themselves.

    The last three are JSON, which is made once and read often.
    """

    head: Head
    summary: str
    beside: str = "{}"
    points: tuple[str, ...] = ()


def stamp(path: Path, *grows: Path) -> str:
    """What distinguishes one state of a job folder from the next, by a stat a file.

    A status is replaced, so its inode counts too (the clock of a file system may stand still for milliseconds);
    the other files only grow. The folder's own time tells when something is put in the place of one of them.
    """
    parts: list[int] = []
    for file in (path / "status.json", path, *grows):
        try:
            state = file.lstat()
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
    return Row(head, _dumps(summary))


def _run(run_id: str, folder: FolderState) -> Row:
    run = folder.run()
    status, request = run.status(), run.request()
    points = _Points(run.measurements())
    for point, text in run.described_lines():
        points.add(point, text)
    summary = _summary(run, status, points, request)
    keys = ("run_id", "group", "experiment", "gallery", "state", "created", "host", *_COLUMNS)
    head = _head(run_id, folder, CPU_LANE, status, len(points.bodies))
    return Row(head, _dumps(summary), _dumps({key: summary[key] for key in keys}), tuple(points.bodies))


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
    return Row(_head(job_id, folder, f"device {request.device}", status, 0), _dumps(summary))


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
        **{column: _setting(asked, field) for column, field in _COLUMNS.items()},
        **{name: _setting(request, field) for name, field in _OWN.items()},
        "created": status.times.created,
        "started": status.times.started,
        "finished": status.times.finished,
    }
    return Row(_head(job_id, folder, CPU_LANE, status, 0), _dumps(summary))


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
    """A run's points as JSON, with what boards measured of them among their latencies: the last timing under each
    condition; and what a summary says of them.
    """

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._timings: dict[int, dict[Conditions, Measurement]] = {}
        for measurement in measurements:
            self._timings.setdefault(measurement.point, {})[measurement.conditions] = measurement
        self.bodies: list[str] = []
        self.baseline_top1: float | None = None
        self.best_top1: float | None = None
        self.best_cost: float | None = None  # of that point, a share of the baseline's in what its target is stated in

    def add(self, point: Point, text: str) -> None:
        """The next point, and its JSON."""
        if timings := self._timings.get(point.point):
            document = json.loads(text)
            document["latency"] += [{"where": m.device, **m.to_json()} for m in timings.values()]
            text = _dumps(document)
        self.bodies.append(text)
        if point.stage == "baseline" and self.baseline_top1 is None:
            self.baseline_top1 = point.top1
        if point.final and point.top1 is not None and point.top1 >= (self.best_top1 or 0.0):
            self.best_top1 = point.top1
            self.best_cost = _share_kept(point)


def _share_kept(point: Point) -> float | None:
    """What a point has of the baseline's cost, in what its target is stated in; None where that is not known."""
    metric = None if point.asked is None else point.asked.metric
    return point.got.share(metric) if metric in _SHARES else None


def _dumps(value: Any) -> str:
    return to_json(value, inf_nan_mode="null").decode()


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
        "conditions": [field.name for field in fields(Conditions)],
    }


def _setting(request: Mapping[str, Any], field: SpecField) -> Any:
    """One value of a request; what runs did before where it was written before the key existed.

    Of the right kind and no more: what this version refuses, such as a dataset that was moved away, can be looked at.
    """
    *parents, last = field.place
    for parent in parents:
        request = request.get(parent, {})
    value = request.get(last, field.before)
    if not _is_of_kind(value, field.annotation):
        raise WorkError(f"{field.name} of its request is {quote(value)}")
    return value


def _is_of_kind(value: Any, annotation: Any) -> bool:
    """Whether a value is what a field is annotated as, but that any text will do where some texts are allowed."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _is_of_kind(value, inner[0])
    if origin in (Union, UnionType):
        return any(_is_of_kind(value, each) for each in inner)
    if origin is tuple:
        fits = isinstance(value, list) and len(value) <= _MOST_VALUES
        return fits and all(_is_of_kind(item, inner[0]) for item in value)
    if annotation is str or origin is Literal:
        return isinstance(value, str) and len(value) <= _LONGEST_TEXT
    if annotation in (int, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 2**53
    return value is None if annotation is type(None) else isinstance(value, annotation)


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
        **{column: _setting(request, field) for column, field in _COLUMNS.items()},
        "keep": _setting(request, _KEEP),
        "created": status.times.created,
        "started": status.times.started,
        "finished": status.times.finished,
        "points": len(points.bodies),
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
