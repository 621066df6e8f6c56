"""What the index holds of one job folder: its state in the queue, its summary, and a run's points. No torch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.errors import RequestError, WorkError
from engine.spec.board_timing import TimingRequest
from engine.spec.landscape.request import LandscapeRequest
from engine.spec.messages import quote
from engine.spec.settings import settings_of
from engine.storage import atomic, files
from engine.storage.folders.contents import Held, time_in
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
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
from engine.storage.indexing.head import Head, Kind
from engine.storage.indexing.places import Place
from engine.storage.indexing.point_lines import described_lines
from engine.storage.indexing.request_values import RequestValues
from engine.storage.indexing.requests import COLUMNS, VALUES, StoredRequest, stored_request
from engine.storage.landscapes.job import Landscape
from engine.storage.records.measurement import Conditions, Latency, Measurement
from engine.storage.records.point import Point, Reached
from engine.storage.records.status import Status
from engine.storage.timings.job import Timing

DAMAGED = "is damaged: "  # in the error of a job whose folder cannot be read
CPU_LANE = "cpu"  # one job a lane at a time: this computer is one, every board another
_LONGEST = 500  # characters of a sentence
_MOST_KEPT = 64  # texts that say what a run was on
_NEEDED = ("status.json", "spec.json", "points.jsonl", "env.json")
_SHARES = {field.name for field in fields(Reached)}
_OWN = {field.name: field for field in settings_of(LandscapeRequest) if field.place[0] != "spec"}  # a landscape's
SETTINGS = tuple(COLUMNS)
_OWN_VALUES = RequestValues(_OWN)
# What a row of a point has of its run besides the settings.
BESIDE = ("run_id", "group", "experiment", "gallery", "state", "created", "host")


@dataclass(frozen=True)
class Row:
    """All of a job: its head, its summary as JSON, and its points as columns. It is made once and read often."""

    head: Head
    summary: str
    columns: PointColumns = NO_POINTS


@dataclass(frozen=True, slots=True)
class _Folder:
    """A job's folder at one moment."""

    kind: Kind
    stamp: str


def index_rows(places: Mapping[str, Place]) -> list[Row]:
    """What the index holds of a few jobs' folders; one that cannot be read becomes a failed job that says so.

    All are asked for before any is read, so that a disk fetches many at a time, and all are read before rows are made:
    a processor does the same thing many times over sooner than two in turn.
    """
    jobs = [place.job(job_id) for job_id, place in places.items()]
    try:
        held = [job.hold(_NEEDED) for job in jobs]
        folders = [_read(job_id, place, each) for (job_id, place), each in zip(places.items(), held, strict=True)]
        return list(map(_row, jobs, folders))
    finally:
        for job in jobs:
            job.let_go()


def _read(job_id: str, place: Place, held: Held | None) -> _Folder:
    if held is None:
        return _Folder(place.kind, place.stamp(job_id))
    held.read_small()
    return _Folder(place.kind, place.stamp_of(job_id, held))


def _row(job: Run | Timing | Landscape, folder: _Folder) -> Row:
    try:
        for path, kind in job.odd_files():
            raise WorkError(f"{path.name} is {kind}, which is not followed")
        return _ROWS[folder.kind](job, folder)
    except (RequestError, WorkError) as error:
        reason = str(error)
    except Exception as error:  # whatever a stranger's file brings about: the others are to be seen
        reason = f"its files brought about {type(error).__name__}: {error}"
    noun = "run" if folder.kind == "gallery" else folder.kind
    summary = _damaged_summary(job, folder.kind, f"this {noun} {DAMAGED}{reason[:_LONGEST]}")
    head = Head(job.id, folder.stamp, folder.kind, CPU_LANE, "failed", False, 0.0, summary["created"], 0)
    return Row(head, as_json(summary))


def index_row(job_id: str, place: Place) -> Row:
    """What the index holds of one job's folder."""
    return index_rows({job_id: place})[0]


def _run(run: Run, folder: _Folder) -> Row:
    status = run.status()
    request = stored_request(run.read("spec.json"), f"{run.path}/spec.json")
    points = _Points(run, request)
    summary = _summary(run, status, points, request)
    head = _head(run.id, folder, CPU_LANE, status, points.count)
    return Row(head, as_json(summary), points.columns)


def _model_files(run: Run) -> frozenset[str]:
    """The names in the folder of a run's networks."""
    try:
        return frozenset(files.names_in(run.path / "models")) if run.has("models") else frozenset()
    except OSError:
        return frozenset()  # there is none yet


def _timing(timing: Timing, folder: _Folder) -> Row:
    status, request = timing.status(), timing.spec()
    summary = {
        "job_id": timing.id,
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
    return Row(_head(timing.id, folder, f"device {request.device}", status, 0), as_json(summary))


def _landscape(landscape: Landscape, folder: _Folder) -> Row:
    status, request = landscape.status(), landscape.request()
    asked = request.get("spec", {})
    if not isinstance(asked, Mapping):
        raise WorkError(f"spec of its request is {quote(asked)}")
    summary = {
        "run_id": landscape.id,
        "kind": folder.kind,
        "group": status.group,
        "state": status.state,
        "progress": status.progress,
        "phase": status.phase,
        "message": status.message,
        "error": status.error,
        "host": landscape.env().get("cpu"),
        **VALUES(asked),
        **_OWN_VALUES(request),
        "created": status.times.created,
        "started": status.times.started,
        "finished": status.times.finished,
    }
    return Row(_head(landscape.id, folder, CPU_LANE, status, 0), as_json(summary))


_ROWS: Mapping[Kind, Callable[[Any, _Folder], Row]] = {
    "run": _run,
    "gallery": _run,
    "timing": _timing,
    "landscape": _landscape,
}


def _head(job_id: str, folder: _Folder, lane: str, status: Status, points: int) -> Head:
    times = status.times
    place = (job_id, folder.stamp, folder.kind, lane)
    return Head(*place, status.state, status.foreground, float(times.queued), float(times.created), points)


def point_documents(run: Run) -> Iterator[dict[str, Any]]:
    """Each point of a run as `Point.to_json` writes it, with what boards measured of it among its latencies."""
    timings = _last_timings(run)
    for point, document in run.described_documents(run.request()):
        exact = document if Point.is_exact(document) else point.to_json()
        entries = map(board_entry, timings.get(point.point, {}).values())
        yield {**exact, "latency": [*exact["latency"], *entries]}


def _last_timings(run: Run) -> Mapping[int, Mapping[Conditions, Measurement]]:
    """What boards measured of each point: the last timing under each condition."""
    timings: dict[int, dict[Conditions, Measurement]] = {}
    for measurement in run.measurements():
        timings.setdefault(measurement.point, {})[measurement.conditions] = measurement
    return timings


class _Points:
    """A run's points with what boards measured of them among their latencies, and what a summary says of them."""

    def __init__(self, run: Run, request: StoredRequest) -> None:
        timings, model_files = _last_timings(run), _model_files(run)
        columns = ColumnBuilder()
        self.count = 0
        self.baseline_top1: float | None = None
        self.best_top1: float | None = None
        self.best_cost: float | None = None  # of that point, a share of the baseline's in what its target is stated in
        for point in described_lines(run, request.phases):
            of_boards = timings[point.point].values() if point.point in timings else ()
            has_onnx = bool(model_files) and f"p{point.point}.onnx" in model_files
            columns.add(point, of_boards, onnx=has_onnx)
            self.count += 1
            self._note(point)
        self.columns = columns.columns() if self.count else NO_POINTS

    def _note(self, point: Any) -> None:
        if point.stage == "baseline" and self.baseline_top1 is None:
            self.baseline_top1 = point.top1
        if point.final and point.top1 is not None and point.top1 >= (self.best_top1 or 0.0):
            self.best_top1 = point.top1
            self.best_cost = _share_kept(point)


def _host(run: Run) -> Any:
    """The processor that a run says it was on; thousands of runs say the same of theirs."""
    host = _host_in(run.read("env.json")) if run.has("env.json") else None
    return run.env().get("cpu") if host is None else host


@lru_cache(maxsize=_MOST_KEPT)
def _host_in(text: bytes) -> Any:
    """The processor in the text of an `env.json`; None where there is none, and where the text is damaged."""
    try:
        return atomic.parse_object(text, "", "it").get("cpu")
    except WorkError:
        return None


def _share_kept(point: Any) -> float | None:
    """What a point has of the baseline's cost, in what its target is stated in; None where that is not known."""
    metric = None if point.asked is None else point.asked.metric
    return getattr(point.got, metric) if metric in _SHARES else None


def layout() -> dict[str, Any]:
    """What a row is made of. Rows written under another layout say other things, so the index's version is its hash."""
    columns = {column: [field.name, field.default] for column, field in COLUMNS.items()}
    timing = {field.name: field.default for field in settings_of(TimingRequest)}
    summary = _damaged_summary(Run(Path()), "run", "")
    # `writer` is another number where the same columns and summaries are written in other characters.
    return {
        "writer": 2,
        "columns": columns,
        "summary": sorted(summary),
        "timing": timing,
        "landscape": sorted(_damaged_summary(Landscape(Path()), "landscape", "")),
        "point": [field.name for field in fields(Point)],
        "timings": [field.name for kind in (Conditions, Latency, Measurement) for field in fields(kind)],
        "numbers": NUMBERS,
        "words": WORDS,
    }


def _summary(run: Run, status: Status, points: _Points, request: StoredRequest) -> dict[str, Any]:
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
        "host": _host(run),
        **request.settings,
        "created": status.times.created,
        "started": status.times.started,
        "finished": status.times.finished,
        "points": points.count,
        "baseline_top1": points.baseline_top1,
        "best_top1": points.best_top1,
        "best_cost": points.best_cost,
        **annotations.document(run),
    }


def _damaged_summary(job: Job, kind: Kind, sentence: str) -> dict[str, Any]:
    created = time_in(job.id)
    failure = {"state": "failed", "progress": 0.0, "created": created, "message": sentence, "error": sentence}
    if kind == "timing":
        missing = (*TimingRequest.model_fields, "phase", "started", "finished")
        return {**dict.fromkeys(missing), **failure, "job_id": job.id, "points": []}
    if kind == "landscape":
        missing = (*COLUMNS, *_OWN, "group", "host", "phase", "started", "finished")
        return {**dict.fromkeys(missing), **failure, "run_id": job.id, "kind": kind}
    names = ("group", "experiment", "host", "phase")
    missing = (*COLUMNS, *names, "keep", "started", "finished", "baseline_top1", "best_top1")
    run_values = {"run_id": job.id, "gallery": kind == "gallery", "points": 0, "best_cost": None}
    run_values |= annotations.document(job)
    return {**dict.fromkeys(missing), **failure, **run_values}
