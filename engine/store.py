"""The results folder: run folders, which are the truth, and what pages ask about all of them. No torch."""

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
from typing import Any

from engine.errors import RequestError, WorkError
from engine.files import told, whole, write_json
from engine.folder import Run, new_status
from engine.index import Folder, Index, stamp
from engine.spec import RunSpec

__all__ = ["GALLERY", "Run", "Store", "whole", "write_json"]

GALLERY = Path(__file__).parents[1] / "results" / "gallery"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?")
_NEW, _GONE = ".new-", ".gone-"
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST}


class Store:
    """A results folder, made on the first write; `gallery` holds runs that are listed too and only read."""

    def __init__(self, root: Path, gallery: Path = GALLERY) -> None:
        self.root = root.expanduser().absolute()
        self.gallery = gallery
        self.folder = self.root / "runs"
        self.index = Index(self.root / "index.sqlite", self._scan)
        self._refuse_unwritable()

    def prepare(self) -> None:
        """Makes the results folder; RequestError when it cannot be written to."""
        with self._writable():
            self.folder.mkdir(parents=True, exist_ok=True)

    def create(self, spec: RunSpec, *, foreground: bool = False) -> Run:
        """A new run folder, queued; it appears whole, under an id that no other run has.

        A `foreground` run comes with its lock held by this process, and is never the queue's to start.
        """
        now = time.time()
        base = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + f"-{spec.digest()}"
        self.prepare()
        hidden = self.folder / f"{_NEW}{uuid.uuid4().hex}"
        with self._writable():
            hidden.mkdir()
        run = Run(hidden)
        try:
            if foreground:
                run.lock.acquire()
            write_json(hidden / "spec.json", spec.model_dump(mode="json"))
            write_json(hidden / "status.json", {**new_status(now, foreground=foreground), "group": spec.group()})
            self._appear(run, base)
        except BaseException:
            run.lock.release()
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        return run

    def run(self, run_id: str) -> Run:
        """The run of that id, the user's or the gallery's; RequestError for an unknown or malformed one."""
        if not _RUN_ID.fullmatch(run_id):
            raise RequestError(f"{run_id!r} is not a run id; they look like 20260131-095959-0a1b2c3d")
        for folder, gallery in ((self.folder, False), (self.gallery, True)):
            if (folder / run_id / "status.json").exists():
                return Run(folder / run_id, gallery=gallery)
        raise RequestError(f"there is no run {run_id} in {self.root}; `python -m engine runs` lists what there is")

    def runs(self) -> list[dict[str, Any]]:
        """One summary for every run, newest first."""
        rows = self.index.query("SELECT summary FROM runs ORDER BY created DESC, run_id DESC")
        return [json.loads(summary) for (summary,) in rows]

    def points(self) -> list[dict[str, Any]]:
        """Every point of every run as its line in points.jsonl, with the run's settings, id, group and state beside."""
        rows = self.index.query(
            "SELECT points.body, runs.run_id, CASE points.n WHEN 0 THEN runs.beside END"
            " FROM points JOIN runs USING (run_id) ORDER BY runs.created, runs.run_id, points.n"
        )
        besides = {run_id: json.loads(beside) for _, run_id, beside in rows if beside is not None}
        # One text for all points: parsing it is several times faster than parsing each.
        points = json.loads("[" + ",".join(body for body, _, _ in rows) + "]")
        return [{**besides[run_id], **point} for (_, run_id, _), point in zip(rows, points, strict=True)]

    def token(self) -> str:
        """A value that changes whenever any run did: a few stats a run, nothing is read."""
        seen = sorted((run_id, folder.stamp) for run_id, folder in self._scan().items())
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]

    def reindex(self) -> int:
        """Makes the index anew from the run folders; how many runs there are."""
        return self.index.rebuild()

    def note(self, run: Run) -> None:
        """Writes the index row of one run, so that a submission is in the queue when it returns."""
        seen = stamp(run.path)
        if seen is not None:
            self.index.put(run.id, Folder(run.path, run.gallery, seen))

    def delete(self, run_id: str) -> None:
        """Removes a run that nobody works on, its files and all; RequestError for a running or a gallery run."""
        run = self.run(run_id)
        if run.gallery:
            raise RequestError(f"{run_id} is a gallery run, shipped with the project; it cannot be deleted")
        with run.lock.holding() as mine:
            if not mine:
                raise RequestError(f"{run_id} is running; cancel it before deleting it")
            gone = self.folder / f"{_GONE}{uuid.uuid4().hex}"
            with told(run.path):
                run.path.rename(gone)
        with told(gone):
            shutil.rmtree(gone)

    def sweep(self, older_than: float = 3600.0) -> None:
        """Removes what killed processes left: folders that never got their name, or had lost it, `older_than` s ago."""
        if not self.folder.is_dir():
            return
        for path in self.folder.glob(".*-*"):
            if path.name.startswith((_NEW, _GONE)) and _age(path) > older_than and not Run(path).lock.taken():
                shutil.rmtree(path, ignore_errors=True)

    def _scan(self) -> dict[str, Folder]:
        found: dict[str, Folder] = {}
        for root, gallery in ((self.gallery, True), (self.folder, False)):
            for path in root.iterdir() if root.is_dir() else ():
                seen = stamp(path) if _RUN_ID.fullmatch(path.name) else None
                if seen is not None:
                    found[path.name] = Folder(path, gallery, f"{'gallery' if gallery else 'run'}.{seen}")
        return found

    def _appear(self, run: Run, base: str) -> None:
        """Gives the hidden folder its name: a rename onto a folder that holds anything fails, so ids are unique."""
        for n in range(1, 100_000):
            path = self.folder / (base if n == 1 else f"{base}-{n}")
            if (self.gallery / path.name).exists():
                continue
            try:
                run.path.rename(path)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    continue
                raise WorkError(f"cannot write {path}: {error.strerror}") from error
            run.path, run.lock.path = path, path / run.lock.path.name
            return
        raise WorkError(f"no free run id is left for {base}; wait a second and submit again")

    def _refuse_unwritable(self) -> None:
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not nearest.is_dir():
            raise RequestError(f"the results folder {self.root} cannot be made: {nearest} is a file")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise RequestError(f"the results folder {self.root} cannot be written to; choose another one")

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            with told(self.root):
                yield
        except WorkError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _UNWRITABLE:
                reason = cause.strerror or str(cause)
                raise RequestError(f"the results folder {self.root} cannot be written to: {reason}") from error
            raise


def _age(path: Path) -> float:
    """Seconds since the folder changed; 0 when it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
