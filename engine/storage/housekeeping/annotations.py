"""The file of what a person writes about a run, which anybody who may write to its folder may replace. No torch."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import RequestError, WorkError
from engine.storage import atomic, files
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.records.annotation import Annotation

_NAME = "annotation.json"
_MOST = 64 * 1024  # bytes
_NOTHING = Annotation()
_NOTHING_WRITTEN = _NOTHING.to_json()


def file_of(job: Job) -> Path:
    """The file of a job's annotation; it may not be there."""
    return job.path / _NAME


def read(job: Job) -> Annotation:
    """What is written about a job; WorkError when the file is damaged."""
    return Annotation.from_json(job.read_json(_NAME, _MOST), str(file_of(job))) if job.has(_NAME) else _NOTHING


def read_or_empty(job: Job) -> Annotation:
    """The same for a list of many jobs, in which a damaged note is to hide nothing; the job's own page says it."""
    with suppress(WorkError):
        return read(job)
    return _NOTHING


def document(job: Job) -> dict[str, Any]:
    """What `read_or_empty` finds as JSON has it; about most jobs nothing is written."""
    return read_or_empty(job).to_json() if job.has(_NAME) else dict(_NOTHING_WRITTEN)


def write(run: Run, annotation: Annotation) -> None:
    """Replaces what is written about a run; RequestError for a gallery run, and for one that is gone."""
    if run.gallery:
        raise RequestError(f"{run.id} is a gallery run, shipped with the project; nothing can be written about it")
    if files.kind_of(run.path) != "a folder":
        raise RequestError(f"{run.id} was deleted in the meantime")
    path = file_of(run)
    if annotation.is_empty:
        with atomic.as_work_error(path):
            path.unlink(missing_ok=True)
    else:
        atomic.write_json(path, annotation.to_json())
    run.tell_change()
