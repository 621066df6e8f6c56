"""The folder of an array of jobs in `results/slurm/`, which outlives the process that submitted it. No torch.

It has the array's runs, so that whoever comes next finds the jobs that still exist and submits none twice; submitit's
own files, the jobs' logs among them; and a report of each job. Nobody but its user may write there, as the jobs run
what they find.
"""

import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WorkError
from engine.storage import atomic, files
from engine.storage.atomic import as_work_error
from engine.texts import one_line

_PREFIX, _SHEET = "espalier-", "runs.json"
_LONGEST = 300  # characters of a log's last line


@dataclass(frozen=True)
class Array:
    """An array of jobs, each for one run. Its name is the folder's, and that of its jobs on the cluster."""

    folder: Path
    run_ids: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.name

    def report(self, number: int) -> Path:
        """The file of what a job says of itself."""
        return self.folder / f"report-{number}.json"

    def last_words(self, job: str) -> str:
        """The last line of what a job has printed; "" where nothing of it came into the folder."""
        for stream in ("err", "out"):
            lines = [line for line in atomic.tail(self.folder / f"{job}_0_log.{stream}", 20) if line.strip()]
            if lines:
                return one_line(lines[-1], _LONGEST)
        return ""

    def age(self) -> float:
        """Seconds since anything was made or removed in the folder; 0 where it is gone."""
        try:
            return time.time() - self.folder.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def remove(self) -> None:
        """Removes the folder, whose jobs have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)  # what a node has open still goes when it is old


def create(results: Path, run_ids: Sequence[str]) -> Array:
    """A new array, before it is submitted; WorkError for what the disk refuses."""
    folder = _home(results) / f"{_PREFIX}{uuid.uuid4().hex[:12]}"
    with as_work_error(folder):
        files.make_folder(folder.parent)
        folder.mkdir(mode=0o700)
    array = Array(folder, tuple(run_ids))
    atomic.write_json(folder / _SHEET, {"runs": list(run_ids)})
    return array


def listed(results: Path) -> Iterator[Array]:
    """The arrays that there are; one that was killed while it was made has no runs, and no job."""
    if not _home(results).is_dir():
        return
    for folder in sorted(_home(results).glob(f"{_PREFIX}*")):
        try:
            found = atomic.read_json(folder / _SHEET).get("runs")
        except WorkError:
            found = None  # made in part
        yield Array(folder, tuple(map(str, found)) if isinstance(found, list) else ())


def _home(results: Path) -> Path:
    return results / "slurm"
