"""The folders of jobs one by one: links in the place of files, and files that are damaged."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from engine.doctor.finding import Finding
from engine.errors import RequestError, WorkError
from engine.storage import atomic, files
from engine.storage.folders.contents import odd_files
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.indexing.rows import DAMAGED
from engine.storage.landscapes.job import Landscape
from engine.storage.records.measurement import Measurement
from engine.storage.records.point import Point
from engine.storage.records.record import Record
from engine.storage.store import Store


def check_odd_files(store: Store) -> Iterator[Finding]:
    """Links, named pipes and the like in the place of a job's files and folders."""
    for job in _jobs(store):
        kind = files.kind_of(job.path) or "a file"
        if kind != "a folder":
            sentence = f"it is {kind}, and no folder; delete it, and what it points to stays"
            yield Finding("link", str(job.path), sentence, partial(store.delete, job.id))
            continue
        for path, kind in odd_files(job.path):
            sentence = f"it is {kind}, which is not followed; remove it, and what it points to stays"
            yield Finding("link", str(path), sentence, partial(_set_aside, path))


def check_readable(store: Store) -> Iterator[Finding]:
    """Jobs that are listed as damaged: what a look at the index tells."""
    failed = [head.job_id for head in store.index.heads() if head.state == "failed"]
    for head, text in store.index.summaries(("run", "timing", "landscape"), failed):
        error = json.loads(text)["error"]
        if error and error.startswith(f"this {head.kind} {DAMAGED}"):
            yield Finding("damage", head.job_id, error)


def check_damage(store: Store) -> Iterator[Finding]:
    """Jobs with a file that cannot be read."""
    for job in _jobs(store):
        if files.kind_of(job.path) != "a folder" or any(odd_files(job.path)):
            continue
        for path, read, mend in _parts(job):
            try:
                read()
            except (RequestError, WorkError) as error:
                yield Finding("damage", str(path), str(error), mend)


def _jobs(store: Store) -> list[Job]:
    return [store.job_of(head) for head in store.index.heads() if head.kind != "gallery"]


def _parts(job: Job) -> Iterator[tuple[Path, Callable[[], object], Callable[[], object] | None]]:
    """Each file of a job with what reads it and what mends it."""
    yield job.path / "spec.json", job.request, None
    yield job.path / "status.json", job.status, partial(_renew_status, job)
    yield job.path / "env.json", job.env, partial(_set_aside, job.path / "env.json")
    events = job.path / "events.jsonl"
    yield events, job.event_lines, partial(_cut_lines, job, events, None)
    if isinstance(job, Landscape):
        yield job.file, job.grid, partial(_start_anew, job)
    if isinstance(job, Run):
        points, timings = job.path / "points.jsonl", job.measurements_file
        yield points, job.points, partial(_cut_lines, job, points, Point)
        yield timings, job.measurements, partial(_cut_lines, job, timings, Measurement)


def _renew_status(job: Job) -> None:
    """A new status in the place of a damaged one: of a job that has failed and can be resumed."""
    with _held(job):
        job.write_status(job.status_or_new())


def _start_anew(job: Landscape) -> None:
    """Puts damaged figures aside: the landscape is measured anew when it is resumed, from the baseline it has."""
    with _held(job):
        _set_aside(job.file)
        job.end("failed", f"{job.file.name} was damaged; resumed, it is measured anew")


def _set_aside(path: Path) -> None:
    """Gives what is at a path a name that nobody reads; a link goes, and what it points to stays."""
    with atomic.as_work_error(path):
        if files.kind_of(path) in (None, "a folder"):
            path.rename(_aside(path))
        else:
            path.unlink()


def _cut_lines(job: Job, path: Path, kind: type[Record] | None) -> None:
    """Keeps the lines before the first damaged one, and the file as it was beside; the job goes on from there."""
    with _held(job):
        whole = _whole_lines(path, kind)
        with atomic.as_work_error(path):
            path.rename(_aside(path))
        with atomic.atomic_write(path) as part:
            part.write_bytes(b"".join(whole))
        if kind is Point:
            job.end("failed", f"{path.name} was damaged, and has {len(whole)} whole lines; resume {job.resumes}")


def _whole_lines(path: Path, kind: type[Record] | None) -> list[bytes]:
    whole: list[bytes] = []
    try:
        for line in atomic.lines(path):
            document = atomic.parse_object(line, path, "a line")
            if kind is not None:
                kind.from_json(document)
            whole.append(line)
    except WorkError:
        return whole
    return whole


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}")


@contextmanager
def _held(job: Job) -> Iterator[None]:
    """The job's lock, as whoever changes its files holds it; RequestError when it is being worked on."""
    with job.lock.holding() as acquired:
        if not acquired:
            raise RequestError(f"{job.id} is being worked on; cancel it before it is mended")
        yield
