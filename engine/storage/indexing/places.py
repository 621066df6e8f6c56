"""Where the jobs of a kind are, and what tells one state of a job's folder from the next. No torch."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.storage.folders.contents import Held
from engine.storage.folders.run import Run
from engine.storage.indexing.head import Kind
from engine.storage.landscapes.job import Landscape
from engine.storage.timings.job import Timing

_STATUS = "status.json"
_OF_RUNS = ("spec.json", "points.jsonl", "measurements.jsonl", "models")  # what a run's row is of, besides its status


@dataclass(frozen=True)
class Place:
    """A folder of jobs of one kind; timings of a gallery run's points are in the folder `measurements`."""

    folder: Path
    kind: Kind
    measurements: Path | None = None

    def job(self, job_id: str) -> Run | Timing | Landscape:
        """The job of that id."""
        path = self.folder / job_id
        if self.kind == "timing":
            return Timing(path)
        if self.kind == "landscape":
            return Landscape(path)
        elsewhere = None if self.measurements is None else self.measurements / f"{job_id}.jsonl"
        return Run(path, gallery=self.kind == "gallery", measurements_file=elsewhere)

    def stamp(self, job_id: str) -> str:
        """What is another text once the status, the points or the timings on boards in a job's folder are others.

        A status is replaced, so its inode counts too (the clock of a file system may stand still for milliseconds);
        the other files only grow. The folder's own time tells when something is put in the place of one of them.
        """
        path = f"{self.folder}/{job_id}"
        states = [_look(f"{path}/{name}") for name in self._names()]
        return self._text(job_id, _look(f"{path}/{_STATUS}"), _look(path), states)

    def stamp_of(self, job_id: str, held: Held) -> str:
        """The same of a folder that is held and listed, which takes fewer looks."""
        return self._text(job_id, _state(_STATUS, held), held.state, [_state(name, held) for name in self._names()])

    def _names(self) -> tuple[str, ...]:
        return _OF_RUNS if self.kind in ("run", "gallery") else ()

    def _text(
        self,
        job_id: str,
        status: os.stat_result | None,
        folder: os.stat_result | None,
        others: list[os.stat_result | None],
    ) -> str:
        if self.measurements is not None:
            others[_OF_RUNS.index("measurements.jsonl")] = _look(f"{self.measurements}/{job_id}.jsonl")
        inode = [] if status is None else [status.st_ino]
        return ".".join([self.kind, *_parts([status]), *map(str, inode), *_parts([folder, *others])])


def _look(path: str, folder: int | None = None) -> os.stat_result | None:
    try:
        return os.stat(path, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def _state(name: str, held: Held) -> os.stat_result | None:
    found = held.small.get(name)
    if found is not None:
        return found[0]
    return _look(name, held.descriptor) if name in held.names else None


def _parts(states: Iterable[os.stat_result | None]) -> list[str]:
    return ["0" if state is None else f"{state.st_mtime_ns}.{state.st_size}" for state in states]
