"""A job as the queue sees it, and its folder at one moment. No torch."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.landscapes.job import Landscape
from engine.storage.records.status import State
from engine.storage.timings.job import Timing

Kind = Literal["run", "gallery", "timing", "landscape"]


@dataclass(frozen=True)
class FolderState:
    """A job folder at one moment: `stamp` changes whenever its status, points or timings on boards do."""

    path: Path
    kind: Kind
    stamp: str
    measurements_file: Path | None = None  # where a run's timings on boards are, if not in its folder

    def job(self) -> Run | Timing | Landscape:
        """The job whose folder it is."""
        if self.kind == "timing":
            return Timing(self.path)
        if self.kind == "landscape":
            return Landscape(self.path)
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

    def waits_or_runs(self) -> bool:
        """Whether it is a job of the user's that still changes."""
        return self.kind != "gallery" and self.state in ("running", "queued")


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
