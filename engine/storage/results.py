"""The results folder: where the jobs of each kind are, and how their folders come and go. No torch."""

import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import RequestError, WorkError
from engine.spec import messages
from engine.spec.board_timing import TimingRequest
from engine.spec.ids import RUN_ID, check_experiment
from engine.spec.landscape.request import LandscapeRequest
from engine.spec.run import RunSpec
from engine.storage import directories, files, leftovers
from engine.storage.atomic import as_work_error, is_disk_full
from engine.storage.folders.job import Job
from engine.storage.folders.journal import Journal
from engine.storage.folders.run import Run
from engine.storage.landscapes.job import Landscape
from engine.storage.permissions import lacks_permission
from engine.storage.records.status import Status
from engine.storage.timings.job import Timing

J = TypeVar("J", bound=Job)
GALLERY = directories.gallery()
_ID = re.compile(RUN_ID)
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST}


@dataclass(frozen=True)
class Labels:
    """What the status of a new job has beside its state, as `Status` says."""

    group: str
    experiment: str | None = None
    threads: int | None = None


class ResultsFolder:
    """A results folder, made on the first write; `gallery` holds runs that are shipped and only read.

    RequestError for a path that cannot be one. A folder that may only be read can be looked at.
    """

    def __init__(self, root: Path, gallery: Path = GALLERY) -> None:
        _check_path(root)
        self.root = root.expanduser().resolve()
        self.gallery = gallery
        self.folder = self.root / "runs"
        self.timings_folder = self.root / "timings"
        self.landscapes_folder = self.root / "landscapes"
        self.shipped_landscapes_folder = gallery / "landscapes"
        self.measurements_folder = self.root / "measurements"  # of what boards measured of gallery runs
        self._refuse_file()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the user's jobs are, a folder for each kind; the runs' first."""
        return self.folder, self.timings_folder, self.landscapes_folder

    def is_writable(self) -> bool:
        """Whether jobs can be put into the results folder, which may not be there yet."""
        nearest = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        return os.access(nearest, os.W_OK | os.X_OK)

    def prepare(self) -> None:
        """Makes the results folder; RequestError when it cannot be written to."""
        with self._writable():
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in self.folders:
                if not folder.exists():  # it may be a link to another disk
                    files.make_folder(folder)
        if not self.is_writable():
            raise RequestError(f"the results folder {self.root} {lacks_permission(self.folder)}")
        Journal(self.root).prepare()

    def create(
        self, spec: RunSpec, *, foreground: bool = False, experiment: str | None = None, threads: int | None = None
    ) -> Run:
        """A new run folder, queued; it appears whole, under an id that no other job has.

        A `foreground` run comes with its lock held by this process, and is never the queue's to start. `experiment` is
        the name of what the run is a part of; RequestError for one that is none. Its process computes with `threads`,
        by default with as many as torch takes by itself.
        """
        if experiment is not None:
            check_experiment(experiment)
        draft = Run(leftovers.new_path(self.folder))
        document, digest, group = spec.model_dump(mode="json"), spec.digest(), spec.group()
        labels = Labels(group, experiment, threads)
        return self._create(draft, document, digest, labels, foreground=foreground)

    def create_timing(self, request: TimingRequest, *, foreground: bool = False) -> Timing:
        """The same for a timing on a board."""
        draft = Timing(leftovers.new_path(self.timings_folder))
        document, digest = request.model_dump(mode="json"), request.digest()
        return self._create(draft, document, digest, Labels(digest), foreground=foreground)

    def create_landscape(self, request: LandscapeRequest, *, foreground: bool = False) -> Landscape:
        """The same for a landscape."""
        draft = Landscape(leftovers.new_path(self.landscapes_folder))
        document, digest = request.model_dump(mode="json"), request.digest()
        return self._create(draft, document, digest, Labels(digest), foreground=foreground)

    def run(self, run_id: str) -> Run:
        """The run of that id, the user's or the gallery's; RequestError for an unknown or malformed one."""
        _check_id(run_id, "a run id")
        own, gallery_path = self.folder / run_id, self.gallery / run_id
        if os.path.lexists(own):
            return Run(own)
        if os.path.lexists(gallery_path):
            return Run(gallery_path, gallery=True, measurements_file=self.measurements_folder / f"{run_id}.jsonl")
        raise RequestError(f"there is no run {run_id} in {self.root}; `espalier runs` lists what there is")

    def timing(self, job_id: str) -> Timing:
        """The timing of that id; RequestError for an unknown or malformed one."""
        _check_id(job_id, "a timing's id")
        if os.path.lexists(self.timings_folder / job_id):
            return Timing(self.timings_folder / job_id)
        raise RequestError(f"there is no timing {job_id} in {self.root}")

    def landscape(self, job_id: str) -> Landscape:
        """The landscape of that id, the user's or a shipped one; RequestError for an unknown or malformed one."""
        _check_id(job_id, "a landscape's id")
        if os.path.lexists(self.landscapes_folder / job_id):
            return Landscape(self.landscapes_folder / job_id)
        if os.path.lexists(self.shipped_landscapes_folder / job_id):
            return Landscape(self.shipped_landscapes_folder / job_id, gallery=True)
        raise RequestError(f"there is no landscape {job_id} in {self.root}")

    def job(self, job_id: str) -> Run | Timing | Landscape:
        """The run, timing or landscape of that id; RequestError for an unknown or malformed one."""
        if _ID.fullmatch(job_id) and os.path.lexists(self.timings_folder / job_id):
            return self.timing(job_id)
        places = (self.landscapes_folder, self.shipped_landscapes_folder)
        if _ID.fullmatch(job_id) and any(os.path.lexists(folder / job_id) for folder in places):
            return self.landscape(job_id)
        return self.run(job_id)

    def delete(self, job_id: str) -> None:
        """Removes a job that nobody works on, its files and all; RequestError for a running or a gallery run."""
        removed = self.put_aside(job_id, leftovers.removed_name())
        with as_work_error(removed):
            leftovers.remove(removed)

    def put_aside(self, job_id: str, name: str) -> Path:
        """Gives the folder of a job that nobody works on a hidden name, by which it is no job any more; where it is.

        RequestError for a running or a gallery run.
        """
        job = self.job(job_id)
        if job.gallery:
            raise RequestError(f"{job_id} is a gallery {job.noun}, shipped with the project; it cannot be deleted")
        with ExitStack() as stack:
            stack.enter_context(refuse_deleted(job))
            # A lock that is none, as in a folder that somebody else made, is nobody's.
            has_lock = files.kind_of(job.path) == "a folder" and files.kind_of(job.lock.path) is None
            if has_lock and not stack.enter_context(job.lock.holding()):
                raise RequestError(f"{job_id} is running; cancel it before deleting it")
            aside = job.path.with_name(name)
            with as_work_error(job.path):
                job.path.rename(aside)
        return aside

    def leftovers(self, older_than: float = leftovers.USUAL_AGE) -> list[Path]:
        """What killed processes left: folders that never got their name, or had lost it, `older_than` s ago."""
        return leftovers.find(self._draft_folders(), older_than)

    def sweep(self) -> None:
        """Removes the leftovers."""
        leftovers.sweep(self._draft_folders())

    def _draft_folders(self) -> tuple[Path, ...]:
        """Where folders have hidden names until all is in them."""
        return *self.folders, directories.uploads(self.root)

    def _create(
        self,
        job: J,
        request: dict[str, Any],
        digest: str,
        labels: Labels,
        *,
        foreground: bool,
    ) -> J:
        now = time.time()
        base = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + f"-{digest}"
        self.prepare()
        draft = job.path
        with self._writable():
            files.make_folder(draft)
        try:
            if foreground:
                job.lock.acquire()
            job.begin(request, Status.queued(now, foreground=foreground, **vars(labels)))
            self._appear(job, base)
        except BaseException as error:
            job.lock.release()
            shutil.rmtree(draft, ignore_errors=True)
            if is_disk_full(error):  # the hidden name that could not be written says nothing to anybody
                raise WorkError(
                    f"the disk is full: {self.root} has no room for another {job.noun}; free some space and try again"
                ) from error
            raise
        return job

    def _appear(self, job: Job, base: str) -> None:
        """Gives the hidden folder its name: a rename onto a folder that holds anything fails, so ids are unique."""
        others = [parent for parent in (self.gallery, *self.folders) if parent != job.path.parent]
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

    def _refuse_file(self) -> None:
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not nearest.is_dir():
            raise RequestError(f"the results folder {self.root} cannot be made: {nearest} is a file")

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


def _check_path(root: Path) -> None:
    """RequestError for a path that is no text: it could not be written into any file."""
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise RequestError(
            f"the results folder {messages.quote(str(root))} has a name that is no UTF-8 text; choose another one"
        ) from None


@contextmanager
def refuse_deleted(job: Job) -> Iterator[None]:
    """What goes wrong with a job that somebody deletes in the middle is that."""
    try:
        yield
    except WorkError:
        if os.path.lexists(job.path):
            raise
        raise RequestError(f"{job.id} was deleted in the meantime") from None
