"""What the index holds of one job folder: its state in the queue, its summary, and a run's points. No torch."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from engine.errors import RequestError, WorkError
from engine.spec.board_timing import TimingRequest
from engine.spec.run import RunSpec
from engine.spec.settings import SpecField, columns_of, settings_of
from engine.storage import atomic
from engine.storage.job_folder import Run, Timing
from engine.storage.records.measurement import Conditions, Measurement
from engine.storage.records.point import Point
from engine.storage.records.status import Status

Kind = Literal["run", "gallery", "timing"]
CPU_LANE = "cpu"  # one job a lane at a time: this computer is one, every board another
_COLUMNS = columns_of(RunSpec)
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


@dataclass(frozen=True)
class Row:
    """The values of the tables `jobs` and `points`, in the order of their columns."""

    job: tuple[Any, ...]
    points: tuple[tuple[Any, ...], ...] = ()


def stamp(path: Path, *grows: Path) -> str | None:
    """What distinguishes one state of a job folder from the next, by a stat a file; None when it has no status.

    A status is replaced, so its inode counts too (the clock of a file system may stand still for milliseconds);
    the other files only grow.
    """
    try:
        status = (path / "status.json").stat()
    except OSError:
        return None
    parts = [status.st_mtime_ns, status.st_size, status.st_ino]
    for file in grows:
        try:
            state = file.stat()
            parts += [state.st_mtime_ns, state.st_size]
        except FileNotFoundError:
            parts.append(0)
    return ".".join(map(str, parts))


def index_row(job_id: str, folder: FolderState) -> Row:
    """What the index holds of a folder; one that cannot be read becomes a failed job that says so."""
    try:
        return _timing(job_id, folder) if folder.kind == "timing" else _run(job_id, folder)
    except (RequestError, WorkError, KeyError, TypeError, ValueError, AttributeError) as error:
        known = isinstance(error, WorkError | RequestError)
        noun = "timing" if folder.kind == "timing" else "run"
        sentence = str(error) if known else f"the files of {noun} {job_id} are damaged: {error!r}"
        summary = _damaged_summary(job_id, folder, sentence)
        return Row((job_id, folder.stamp, folder.kind, CPU_LANE, "failed", False, 0.0, 0.0, json.dumps(summary), "{}"))


def _run(run_id: str, folder: FolderState) -> Row:
    run = folder.run()
    status, points = run.status(), run.described_points()
    request = atomic.read_json(folder.path / "spec.json")
    summary = _summary(run, status, points, request)
    keys = ("run_id", "group", "gallery", "state", "created", "host", *_COLUMNS)
    beside = {key: summary[key] for key in keys}
    texts = (json.dumps(summary), json.dumps(beside))
    job = _job(run_id, folder, CPU_LANE, status, texts)
    bodies = _with_timings(points, run.measurements())
    return Row(job, tuple((run_id, n, json.dumps(point)) for n, point in enumerate(bodies)))


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
    return Row(_job(job_id, folder, f"device {request.device}", status, (json.dumps(summary), "{}")))


def _job(job_id: str, folder: FolderState, lane: str, status: Status, texts: tuple[str, str]) -> tuple[Any, ...]:
    return (
        *(job_id, folder.stamp, folder.kind, lane, status.state, status.foreground),
        *(status.times.queued, status.times.created, *texts),
    )


def _with_timings(points: Iterable[Point], measurements: Iterable[Measurement]) -> list[dict[str, Any]]:
    """The points with what boards measured of them among their latencies: the last timing under each condition."""
    latest: dict[int, dict[Conditions, Measurement]] = {}
    for measurement in measurements:
        latest.setdefault(measurement.point, {})[measurement.conditions] = measurement
    bodies = []
    for point in points:
        body = point.to_json()
        body["latency"] += [{"where": m.device, **m.to_json()} for m in latest.get(point.point, {}).values()]
        bodies.append(body)
    return bodies


def layout() -> dict[str, Any]:
    """What a row is made of. Rows written under another layout say other things, so the index's version is its hash."""
    columns = {column: [field.name, field.default] for column, field in _COLUMNS.items()}
    timing = {field.name: field.default for field in settings_of(TimingRequest)}
    summary = _damaged_summary("", FolderState(Path(), "run", ""), "")
    return {
        "columns": columns,
        "summary": sorted(summary),
        "timing": timing,
        "point": [field.name for field in fields(Point)],
        "conditions": [field.name for field in fields(Conditions)],
    }


def _setting(request: Mapping[str, Any], field: SpecField) -> Any:
    """One value of a request; the spec's default where the run was written before the key existed."""
    *parents, last = field.place
    for parent in parents:
        request = request.get(parent, {})
    return request.get(last, field.default)


def _summary(run: Run, status: Status, points: list[Point], request: Mapping[str, Any]) -> dict[str, Any]:
    baseline = [point.top1 for point in points if point.stage == "baseline"]
    final_top1 = [point.top1 for point in points if point.final]
    return {
        "run_id": run.id,
        "group": status.group,
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
        "points": len(points),
        "baseline_top1": baseline[0] if baseline else None,
        "best_top1": max(final_top1, default=None),
    }


def _damaged_summary(job_id: str, folder: FolderState, sentence: str) -> dict[str, Any]:
    failure = {"state": "failed", "progress": 0.0, "created": 0.0, "message": sentence, "error": sentence}
    if folder.kind == "timing":
        missing = (*TimingRequest.model_fields, "phase", "started", "finished")
        return {**dict.fromkeys(missing), **failure, "job_id": job_id, "points": []}
    missing = (*_COLUMNS, "group", "host", "phase", "keep", "started", "finished", "baseline_top1", "best_top1")
    run_values = {"run_id": job_id, "gallery": folder.kind == "gallery", "points": 0}
    return {**dict.fromkeys(missing), **failure, **run_values}
