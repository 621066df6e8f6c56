"""The folder of a job, a run or a timing: the truth about it, in files that people and programs can read. No torch.

Only the process that holds `Job.lock` writes to `status.json` and to the results, from the moment that the folder
has its name; the kernel lets go of the lock when that process dies, however it dies. Timings of a run's points on
boards are the exception: they come from other processes, and go to a file of their own under a lock of its own.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, Unpack

from engine.errors import WorkError
from engine.spec import board_timing, phases
from engine.spec import run as run_spec
from engine.storage import atomic
from engine.storage.locks import Lock
from engine.storage.records import earlier
from engine.storage.records.event import Attempts, Epoch, Event, TurnEvent
from engine.storage.records.measurement import Measurement
from engine.storage.records.point import Point
from engine.storage.records.record import Record
from engine.storage.records.status import ENDED, State, Status, StatusChanges, TimesChanges

E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=Record)
LOCK = ".lock"  # in a job folder: who works on it


class Job(ABC):
    """What runs and timings have in common: a request, a status, events, a log and a lock.

    For sentences, `noun` is what one is called and `resumes` what one does that is resumed.
    """

    noun: str
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

    def status(self) -> Status:
        """How the job stands; WorkError when the file is damaged."""
        path = self.path / "status.json"
        return Status.from_json(atomic.read_json(path), str(path))

    def write_status(self, status: Status) -> None:
        """Replaces the status, whole."""
        atomic.write_json(self.path / "status.json", status.to_json())

    def update(self, *, times: TimesChanges | None = None, **changes: Unpack[StatusChanges]) -> None:
        """Changes values of the status, and of its times those in `times`."""
        self.write_status(self.status().changed(times, **changes))

    def end(self, state: State, message: str) -> None:
        """Writes a final state (done, failed, cancelled) or `interrupted`, with its one sentence."""
        error = message if state == "failed" else None
        changes: StatusChanges = {"state": state, "message": message, "error": error}
        if state == "done":
            changes["progress"] = 1.0
        self.update(times={"finished": time.time()}, **changes)
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

    def append_event(self, event: Event) -> None:
        """Appends one event, stamped with the Unix time `t`."""
        line = {"t": time.time(), "kind": event.KIND, **event.to_json()}
        atomic.append_line(self._events, line)

    def events(self, kind: type[E]) -> list[E]:
        """All events of one kind, oldest first; WorkError when a line of it is damaged."""
        lines = (line for line in self.event_lines() if line.get("kind") == kind.KIND)
        return [kind.from_json(line, str(self._events)) for line in lines]

    def event_lines(self) -> list[dict[str, Any]]:
        """The events of all kinds as they stand in the file: `t`, `kind` and the fields of the kind."""
        return atomic.read_lines(self._events)[0]

    @property
    def _events(self) -> Path:
        return self.path / "events.jsonl"

    def log(self, line: str) -> None:
        """Appends to log.txt, where the child's own output goes too."""
        path = self.path / "log.txt"
        with atomic.as_work_error(path), path.open("a", encoding="utf-8") as file:
            file.write(line.rstrip("\n") + "\n")

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of the log, read from its end."""
        return atomic.tail(self.path / "log.txt", lines)


class Run(Job):
    """A run folder. `gallery` marks one that is shipped with the project and is only read.

    Its timings on boards may be in a `measurements_file` outside of the folder, as a gallery run's are.
    """

    noun = "run"
    resumes = "goes on from its last finished step"

    def __init__(self, path: Path, *, gallery: bool = False, measurements_file: Path | None = None) -> None:
        super().__init__(path)
        self.gallery = gallery
        self._measurements_file = measurements_file

    @property
    def measurements_file(self) -> Path:
        """The file of what boards measured of the run's points; may not exist."""
        return self._measurements_file or self.path / "measurements.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The folder of what the run resumes from; may not exist."""
        return self.path / "checkpoint"

    def spec(self) -> run_spec.RunSpec:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        return run_spec.parse(atomic.read_json(self.path / "spec.json"))

    # -- what came out

    def append_point(self, point: Point) -> None:
        """Adds a point; the line comes last of all that belongs to it, and says that the rest is there."""
        atomic.append_line(self._points, point.to_json())

    def points(self) -> list[Point]:
        """The points as they were written; WorkError when a line is damaged."""
        return _records(Point, self._points)

    @property
    def _points(self) -> Path:
        return self.path / "points.jsonl"

    def described_points(self) -> list[Point]:
        """The points, and with each what earlier versions did not write of it (`earlier.describe_points`)."""
        return earlier.describe_points(self.points(), self._phases())

    def attempts(self) -> list[Attempts]:
        """What an iterative method attempted, once for each step, in the order of the steps."""
        steps = self.events(Attempts)
        return earlier.describe_attempts(steps, self._phases()) if steps else []

    def _phases(self) -> run_spec.RunSpec:
        return phases.of_request(atomic.read_json(self.path / "spec.json"))

    def append_measurement(self, measurement: Measurement) -> None:
        """Adds what a board measured of one of the points; any process may, at any time."""
        file = self.measurements_file
        with atomic.as_work_error(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock(file.with_name(f".{file.name}.lock"))
        with lock.holding(wait=30.0) as acquired:
            if not acquired:
                raise WorkError(f"another process has been writing {file} for half a minute; try again")
            atomic.append_line(file, measurement.to_json())

    def measurements(self) -> list[Measurement]:
        """Everything that boards measured of the points, oldest first; WorkError when a line is damaged."""
        return _records(Measurement, self.measurements_file)

    def model_file(self, point: int, suffix: str) -> Path:
        """`models/p<point>.<suffix>`, for example suffix `plan.json`; the folder exists then, the file may not."""
        path = self.path / "models" / f"p{point}.{suffix.lstrip('.')}"
        with atomic.as_work_error(path):
            path.parent.mkdir(exist_ok=True)
        return path

    def steps(self) -> int:
        """How many different steps are behind the run: points, and epochs of each stage, however often repeated."""
        epochs = {(epoch.stage, epoch.phase, epoch.keep, epoch.epoch) for epoch in self.events(Epoch)}
        return len(self.points()) + len(epochs)


class Timing(Job):
    """The folder of a timing on a board, below the results folder's `timings/`."""

    noun = "timing"
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
        return len({(turn.model, turn.round) for turn in self.events(TurnEvent)})

    # -- what was measured, from its end until every run has its part

    def keep_pending(self, measurements: Sequence[Measurement]) -> None:
        """Keeps what was measured, each with its `run`, until `forget_pending`."""
        atomic.write_json(self._pending, {"measurements": [measurement.to_json() for measurement in measurements]})

    def pending_measurements(self) -> list[Measurement]:
        """What has not reached all of its runs yet; WorkError when the file is damaged."""
        if not self._pending.is_file():
            return []
        lines = atomic.read_json(self._pending).get("measurements")
        if not isinstance(lines, list):
            raise WorkError(f"{self._pending} is damaged: it lacks measurements")
        return [Measurement.from_json(line, str(self._pending)) for line in lines]

    def forget_pending(self) -> None:
        with atomic.as_work_error(self._pending):
            self._pending.unlink(missing_ok=True)

    @property
    def _pending(self) -> Path:
        return self.path / "measured.json"

    def keep_samples(self, name: str, document: dict[str, Any]) -> None:
        """Keeps raw samples and what was printed, as `samples/<name>.json`."""
        atomic.write_json(self.path / "samples" / f"{name}.json", document)


def _records(kind: type[R], path: Path) -> list[R]:
    return [kind.from_json(line, f"{path}, line {n},") for n, line in enumerate(atomic.read_lines(path)[0], 1)]
