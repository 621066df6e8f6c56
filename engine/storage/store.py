"""The results folder: job folders, which are the truth, and what pages show of all of them. No torch."""

import errno
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import RequestError, WorkError
from engine.spec import messages
from engine.spec.board_timing import TimingRequest
from engine.spec.ids import RUN_ID
from engine.spec.run import RunSpec
from engine.storage import directories
from engine.storage.atomic import as_work_error, write_json
from engine.storage.index import Index
from engine.storage.index_rows import FolderState, Kind, stamp
from engine.storage.job_folder import LOCK, Job, Run, Timing
from engine.storage.locks import Lock
from engine.storage.records.status import Status

J = TypeVar("J", bound=Job)
GALLERY = directories.gallery()
_ID = re.compile(RUN_ID)
_NEW, _REMOVED = ".new-", ".gone-"
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST}


class Store:
    """A results folder, made on the first write; `gallery` holds runs that are listed too and only read."""

    def __init__(self, root: Path, gallery: Path = GALLERY) -> None:
        self.root = root.expanduser().absolute()
        self.gallery = gallery
        self.folder = self.root / "runs"
        self.timings_folder = self.root / "timings"
        self.index = Index(self.root / "index.sqlite", self._scan)
        self._refuse_unwritable()

    def prepare(self) -> None:
        """Makes the results folder; RequestError when it cannot be written to."""
        with self._writable():
            self.folder.mkdir(parents=True, exist_ok=True)

    def create(self, spec: RunSpec, *, foreground: bool = False) -> Run:
        """A new run folder, queued; it appears whole, under an id that no other job has.

        A `foreground` run comes with its lock held by this process, and is never the queue's to start.
        """
        draft = Run(self.folder / f"{_NEW}{uuid.uuid4().hex}")
        document = spec.model_dump(mode="json")
        return self._create(draft, document, spec.digest(), group=spec.group(), foreground=foreground)

    def create_timing(self, request: TimingRequest, *, foreground: bool = False) -> Timing:
        """The same for a timing on a board."""
        draft = Timing(self.timings_folder / f"{_NEW}{uuid.uuid4().hex}")
        document, digest = request.model_dump(mode="json"), request.digest()
        return self._create(draft, document, digest, group=digest, foreground=foreground)

    def run(self, run_id: str) -> Run:
        """The run of that id, the user's or the gallery's; RequestError for an unknown or malformed one."""
        _check_id(run_id, "a run id")
        own, gallery_path = self.folder / run_id, self.gallery / run_id
        if (own / "status.json").exists():
            return Run(own)
        if (gallery_path / "status.json").exists():
            return Run(gallery_path, gallery=True, measurements_file=self._measurements_file(gallery_path, "gallery"))
        raise RequestError(f"there is no run {run_id} in {self.root}; `espalier runs` lists what there is")

    def timing(self, job_id: str) -> Timing:
        """The timing of that id; RequestError for an unknown or malformed one."""
        _check_id(job_id, "a timing's id")
        if (self.timings_folder / job_id / "status.json").exists():
            return Timing(self.timings_folder / job_id)
        raise RequestError(f"there is no timing {job_id} in {self.root}")

    def job(self, job_id: str) -> Run | Timing:
        """The run or timing of that id; RequestError for an unknown or malformed one."""
        if _ID.fullmatch(job_id) and (self.timings_folder / job_id / "status.json").exists():
            return self.timing(job_id)
        return self.run(job_id)

    def runs(self) -> list[dict[str, Any]]:
        """One summary for every run, newest first."""
        return self._summaries("kind != 'timing'")

    def timings(self) -> list[dict[str, Any]]:
        """One summary for every timing on a board, newest first: the request, and how it stands."""
        return self._summaries("kind = 'timing'")

    def points(self) -> list[dict[str, Any]]:
        """Every point of every run as its line in points.jsonl, with the run's settings, id, group and state beside.

        Among its latencies are those that boards measured, the last one under each condition.
        """
        rows = self.index.query(
            "SELECT points.body, job_id, CASE points.n WHEN 0 THEN jobs.beside END"
            " FROM points JOIN jobs ON job_id = run_id ORDER BY jobs.created, job_id, points.n"
        )
        settings = {run_id: json.loads(beside) for _, run_id, beside in rows if beside is not None}
        # One text for all points: parsing it is several times faster than parsing each.
        points = json.loads("[" + ",".join(body for body, _, _ in rows) + "]")
        return [{**settings[run_id], **point} for (_, run_id, _), point in zip(rows, points, strict=True)]

    def token(self) -> str:
        """A value that changes whenever any job did: a few stats a job, nothing is read."""
        stamps = sorted((job_id, folder.stamp) for job_id, folder in self._scan().items())
        return hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]

    def reindex(self) -> int:
        """Makes the index anew from the run folders; how many runs there are."""
        return self.index.rebuild()

    def note(self, job: Job) -> None:
        """Writes the index row of one job, so that a submission is in the queue when it returns."""
        folder = self._folder_state(job.path, "timing" if isinstance(job, Timing) else "run")
        if folder is not None:
            self.index.put(job.id, folder)

    def delete(self, job_id: str) -> None:
        """Removes a job that nobody works on, its files and all; RequestError for a running or a gallery run."""
        job = self.job(job_id)
        if isinstance(job, Run) and job.gallery:
            raise RequestError(f"{job_id} is a gallery run, shipped with the project; it cannot be deleted")
        with job.lock.holding() as acquired:
            if not acquired:
                raise RequestError(f"{job_id} is running; cancel it before deleting it")
            removed = job.path.with_name(f"{_REMOVED}{uuid.uuid4().hex}")
            with as_work_error(job.path):
                job.path.rename(removed)
        with as_work_error(removed):
            shutil.rmtree(removed)

    def sweep(self, older_than: float = 3600.0) -> None:
        """Removes what killed processes left: folders that never got their name, or had lost it, `older_than` s ago."""
        for parent in (self.folder, self.timings_folder):
            for path in parent.glob(".*-*") if parent.is_dir() else ():
                leftover = path.name.startswith((_NEW, _REMOVED)) and _age(path) > older_than
                if leftover and not Lock(path / LOCK).is_taken():
                    shutil.rmtree(path, ignore_errors=True)

    def _summaries(self, condition: str) -> list[dict[str, Any]]:
        rows = self.index.query(f"SELECT summary FROM jobs WHERE {condition} ORDER BY created DESC, job_id DESC")
        return [json.loads(summary) for (summary,) in rows]

    def _scan(self) -> dict[str, FolderState]:
        folders: dict[str, FolderState] = {}
        kinds: tuple[tuple[Path, Kind], ...] = (
            (self.gallery, "gallery"),
            (self.folder, "run"),
            (self.timings_folder, "timing"),
        )
        for parent, kind in kinds:
            for path in parent.iterdir() if parent.is_dir() else ():
                folder = self._folder_state(path, kind) if _ID.fullmatch(path.name) else None
                if folder is not None:
                    folders[path.name] = folder
        return folders

    def _folder_state(self, path: Path, kind: Kind) -> FolderState | None:
        """A job folder as it is now; None when it has no status."""
        measurements_file = self._measurements_file(path, kind)
        state = stamp(path, *(() if measurements_file is None else (path / "points.jsonl", measurements_file)))
        return None if state is None else FolderState(path, kind, f"{kind}.{state}", measurements_file)

    def _measurements_file(self, path: Path, kind: Kind) -> Path | None:
        """Where timings of a run's points on boards are; of a gallery run, which is only read, beside the runs."""
        if kind == "gallery":
            return self.root / "measurements" / f"{path.name}.jsonl"
        return path / "measurements.jsonl" if kind == "run" else None

    def _create(self, job: J, request: dict[str, Any], digest: str, *, group: str, foreground: bool) -> J:
        now = time.time()
        base = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + f"-{digest}"
        self.prepare()
        draft = job.path
        with self._writable():
            draft.mkdir(parents=True)
        try:
            if foreground:
                job.lock.acquire()
            write_json(draft / "spec.json", request)
            job.write_status(Status.queued(now, foreground=foreground, group=group))
            self._appear(job, base)
        except BaseException:
            job.lock.release()
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return job

    def _appear(self, job: Job, base: str) -> None:
        """Gives the hidden folder its name: a rename onto a folder that holds anything fails, so ids are unique."""
        parents = (self.gallery, self.folder, self.timings_folder)
        others = [parent for parent in parents if parent != job.path.parent]
        for n in range(1, 100_000):
            path = job.path.with_name(base if n == 1 else f"{base}-{n}")
            if any((parent / path.name).exists() for parent in others):
                continue
            try:
                job.path.rename(path)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    continue
                raise WorkError(f"cannot write {path}: {error.strerror}") from error
            job.path, job.lock.path = path, path / job.lock.path.name
            return
        raise WorkError(f"no free id is left for {base}; wait a second and submit again")

    def _refuse_unwritable(self) -> None:
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not nearest.is_dir():
            raise RequestError(f"the results folder {self.root} cannot be made: {nearest} is a file")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise RequestError(f"the results folder {self.root} cannot be written to; choose another one")

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            with as_work_error(self.root):
                yield
        except WorkError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _UNWRITABLE:
                reason = cause.strerror or str(cause)
                raise RequestError(f"the results folder {self.root} cannot be written to: {reason}") from error
            raise


def _check_id(job_id: str, noun: str) -> None:
    if not _ID.fullmatch(job_id):
        raise RequestError(f"{messages.quote(job_id)} is not {noun}; they look like 20260131-095959-0a1b2c3d")


def _age(path: Path) -> float:
    """Seconds since the folder changed; 0 when there is none."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
