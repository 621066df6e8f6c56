"""The folder of a job, a run or a timing: the truth about it, in files that people and programs can read. No torch.

Only the process that holds `Job.lock` writes to `status.json` and to the results, from the moment that the folder
has its name; the kernel lets go of the lock when that process dies, however it dies. Device timings of a run's points
are the exception: they come from other processes, and go to a file of their own under a lock of its own.
"""

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from engine.errors import WorkError
from engine.spec import board_timing
from engine.spec import run as run_spec
from engine.storage import atomic
from engine.storage.locks import Lock

STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
ENDED = ("done", "failed", "cancelled")
LOCK = ".lock"  # in a job folder: who works on it


class Job(ABC):
    """What runs and timings have in common: a request, a status, events, a log and a lock.

    `resumes` is what one does that is resumed, for sentences.
    """

    resumes: str

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = Lock(path / LOCK)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def cancel_mark(self) -> Path:
        """The file whose presence asks for the job to be cancelled; it outlives every process."""
        return self.path / ".cancel"

    @abstractmethod
    def steps(self) -> int:
        """How many different steps are behind the job, however often repeated."""

    # -- how it stands

    def status(self) -> dict[str, Any]:
        """`state, progress, phase, message, times{created,queued,started,finished}, error` and the queue's keys."""
        return atomic.read_json(self.path / "status.json")

    def update(self, **changes: Any) -> None:
        """Changes keys of the status, whole; `times` is merged, so that one time can be given alone."""
        status = self.status()
        times = {**status.get("times", {}), **changes.pop("times", {})}
        atomic.write_json(self.path / "status.json", {**status, **changes, "times": times})

    def end(self, state: str, message: str) -> None:
        """Writes a final state (done, failed, cancelled) or `interrupted`, with its one sentence."""
        done = {"progress": 1.0} if state == "done" else {}
        error = message if state == "failed" else None
        self.update(state=state, message=message, error=error, times={"finished": time.time()}, **done)
        if state in ENDED:
            with atomic.as_work_error(self.cancel_mark):
                self.cancel_mark.unlink(missing_ok=True)

    def write_env(self, env: dict[str, Any]) -> None:
        """Versions, hardware, threads and seed of the process that works on the run."""
        atomic.write_json(self.path / "env.json", env)

    def env(self) -> dict[str, Any]:
        """What `write_env` wrote; empty before the run has started."""
        path = self.path / "env.json"
        return atomic.read_json(path) if path.exists() else {}

    # -- what happened

    def event(self, kind: str, **fields: Any) -> None:
        """Appends one event, stamped with the Unix time `t`."""
        atomic.append_line(self.path / "events.jsonl", {"t": time.time(), "kind": kind, **fields})

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """All events but the first `after`."""
        return self.events_from(0)[0][after:]

    def events_from(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """The events from a byte offset on, and the offset to read on from: what a live view calls again and again."""
        return atomic.read_lines(self.path / "events.jsonl", offset)

    def log(self, line: str) -> None:
        """Appends to log.txt, where the child's own output goes too."""
        path = self.path / "log.txt"
        with atomic.as_work_error(path), path.open("a", encoding="utf-8") as file:
            file.write(line.rstrip("\n") + "\n")

    def log_from(self, offset: int) -> tuple[list[str], int]:
        """The finished log lines from a byte offset on, and the offset to read on from."""
        return atomic.read_text_lines(self.path / "log.txt", offset)

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of the log, read from its end."""
        return atomic.tail(self.path / "log.txt", lines)


class Run(Job):
    """A run folder. `gallery` marks one that is shipped with the project and is only read.

    Its device timings may be in a file `timed` outside of the folder, as a gallery run's are.
    """

    resumes = "goes on from its last finished step"

    def __init__(self, path: Path, *, gallery: bool = False, timed: Path | None = None) -> None:
        super().__init__(path)
        self.gallery = gallery
        self._timed = timed

    @property
    def timed(self) -> Path:
        """The file of what devices measured of the run's points; may not exist."""
        return self._timed or self.path / "measurements.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The folder of what the run resumes from; may not exist."""
        return self.path / "checkpoint"

    def spec(self) -> run_spec.RunSpec:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        return run_spec.parse(atomic.read_json(self.path / "spec.json"))

    # -- what came out

    def append_point(self, point: dict[str, Any]) -> None:
        atomic.append_line(self.path / "points.jsonl", point)

    def points(self) -> list[dict[str, Any]]:
        return atomic.read_lines(self.path / "points.jsonl")[0]

    def append_measurement(self, measurement: dict[str, Any]) -> None:
        """Adds what a device measured of one of the points; any process may, at any time."""
        with atomic.as_work_error(self.timed):
            self.timed.parent.mkdir(parents=True, exist_ok=True)
        with Lock(self.timed.with_name(f".{self.timed.name}.lock")).holding(wait=30.0) as mine:
            if not mine:
                raise WorkError(f"another process has been writing {self.timed} for half a minute; try again")
            atomic.append_line(self.timed, measurement)

    def measurements(self) -> list[dict[str, Any]]:
        """Everything that devices measured of the points, oldest first."""
        return atomic.read_lines(self.timed)[0]

    def model_file(self, point: int, suffix: str) -> Path:
        """`models/p<point>.<suffix>`, for example suffix `plan.json`; the folder exists then, the file may not."""
        path = self.path / "models" / f"p{point}.{suffix.lstrip('.')}"
        with atomic.as_work_error(path):
            path.parent.mkdir(exist_ok=True)
        return path

    def steps(self) -> int:
        """How many different steps are behind the run: points, and epochs of each stage, however often repeated."""
        keys = ("stage", "phase", "keep", "epoch")
        epochs = {tuple(map(str, map(event.get, keys))) for event in self.events() if event.get("kind") == "epoch"}
        return len(self.points()) + len(epochs)


class Timing(Job):
    """The folder of a timing on a device, below the results folder's `timings/`."""

    resumes = "starts anew"

    @property
    def root(self) -> Path:
        """The results folder."""
        return self.path.parents[1]

    def spec(self) -> board_timing.TimingRequest:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        return board_timing.parse(atomic.read_json(self.path / "spec.json"))

    def steps(self) -> int:
        """The turns that were measured."""
        return len({(event["model"], event["round"]) for event in self.events() if event["kind"] == "turn"})

    # -- what was measured, from its end until every run has its part

    def keep_measured(self, measurements: list[dict[str, Any]]) -> None:
        atomic.write_json(self._measured, {"measurements": measurements})

    def measured(self) -> list[dict[str, Any]]:
        """What has not reached all of its runs yet."""
        return list(atomic.read_json(self._measured)["measurements"]) if self._measured.is_file() else []

    def forget_measured(self) -> None:
        with atomic.as_work_error(self._measured):
            self._measured.unlink(missing_ok=True)

    @property
    def _measured(self) -> Path:
        return self.path / "measured.json"

    def keep_samples(self, name: str, document: dict[str, Any]) -> None:
        """Keeps raw samples and what was printed, as `samples/<name>.json`."""
        atomic.write_json(self.path / "samples" / f"{name}.json", document)


def new_status(now: float, *, foreground: bool) -> dict[str, Any]:
    """The status of a run that nobody has started; a `foreground` run is not the queue's to start."""
    return {
        "state": "queued",
        "progress": 0.0,
        "phase": "",
        "message": "waiting",
        "times": {"created": now, "queued": now, "started": None, "finished": None},
        "error": None,
        "foreground": foreground,
        "crashes": 0,
        "steps": 0,
    }
