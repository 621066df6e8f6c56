"""The folder of a job, a run or a timing: the truth about it, in files that people and programs can read. No torch.

Only the process that holds `Job.lock` writes to `status.json` and to the results, from the moment that the folder
has its name; the kernel lets go of the lock when that process dies, however it dies. Timings of a run's points on
boards are the exception: they come from other processes, and go to a file of their own under a lock of its own. So do
those of a point's layers on this host, each in a whole file.
"""

import os
import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, Unpack

from engine.errors import RequestError, WorkError
from engine.spec import phases
from engine.spec import run as run_spec
from engine.spec.settings import with_earlier
from engine.storage import atomic, files
from engine.storage.indexing.journal import Journal
from engine.storage.job_files import CANCEL_MARK, LOCK, LOG, Held, held, odd_files, opened_log, time_in
from engine.storage.locks import Lock
from engine.storage.records import earlier, log_lines
from engine.storage.records.event import Attempts, Epoch, Event
from engine.storage.records.measurement import Measurement
from engine.storage.records.point import Point
from engine.storage.records.record import Record
from engine.storage.records.status import ENDED, State, Status, StatusChanges, TimesChanges
from engine.texts import one_line

E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=Record)
MOST_SMALL = files.MIB  # bytes of a request, a status or an environment
_LONGEST_LINE = 1000  # characters of the log
_POINTS, _MEASUREMENTS = "points.jsonl", "measurements.jsonl"


class Job(ABC):
    """What runs and timings have in common: a request, a status, events, a log and a lock.

    For sentences, `noun` is what one is called and `resumes` what one does that is resumed.
    """

    noun: str
    resumes: str
    gallery: bool = False  # whether it is shipped with the project, and is only read

    def __init__(self, path: Path) -> None:
        self.path = path
        self._status: Status | None = None  # as this process wrote it last
        self._held: Held | None = None

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def root(self) -> Path:
        """The results folder."""
        return self.path.parent.parent

    @property
    def cancel_mark(self) -> Path:
        """The file whose presence asks for the job to be cancelled; it outlives every process."""
        return self.path / CANCEL_MARK

    @abstractmethod
    def _group(self) -> str | None:
        """What the status has as its group; None where the request is damaged, too."""

    @abstractmethod
    def steps(self) -> int:
        """How many different steps are behind the job, however often repeated."""

    @cached_property
    def lock(self) -> Lock:
        """Who works on the job holds it."""
        return Lock(self.path / LOCK)

    # -- its files

    @contextmanager
    def held(self) -> Iterator[None]:
        """Its folder is opened and listed once for all that is read inside, which does not see what is new in it."""
        with held(self.path) as found:
            self._held = found
            try:
                yield
            finally:
                self._held = None

    def odd_files(self) -> Iterable[tuple[Path, str]]:
        """What is in the place of one of its files and folders and is none, and what it is."""
        return () if self._held is not None and not self._held.odd else odd_files(self.path)

    def has(self, name: str) -> bool:
        """Whether there is anything of that name in its folder."""
        return os.path.lexists(self.path / name) if self._held is None else name in self._held.names

    def read_json(self, name: str, most: int = MOST_SMALL) -> dict[str, Any]:
        """The JSON object in one of its files, of at most so many bytes; WorkError when it is missing or is none."""
        return atomic.parse_object(self.read(name, most), f"{self.path}/{name}", "it")

    def read(self, name: str, most: int = MOST_SMALL) -> bytes:
        """All that one of its files holds, of at most so many bytes; WorkError when it cannot be read."""
        if self._held is None:
            return atomic.read(self.path / name, most)
        return atomic.read_in(self._held.descriptor, f"{self.path}/{name}", most)

    def read_lines(self, name: str) -> Iterator[bytes]:
        """The finished lines of one of its files (`atomic.lines`)."""
        if self._held is None:
            return atomic.lines(self.path / name)
        return atomic.lines_in(self._held.descriptor, f"{self.path}/{name}")

    # -- how it stands

    def status(self) -> Status:
        """How the job stands; WorkError when the file is damaged."""
        text, place = self.read("status.json"), f"{self.path}/status.json"
        return Status.of_text(text) or Status.from_json(atomic.parse_object(text, place, "it"), place)

    def status_or_new(self) -> Status:
        """The same, and where the file is damaged or lost that of a job that has failed, of the age of its folder."""
        try:
            return self.status()
        except WorkError as error:
            created = time_in(self.id)
            new = Status.queued(created, foreground=False, group=self._group())
            return new.changed({"finished": created}, state="failed", message=str(error), error=str(error))

    def write_status(self, status: Status) -> None:
        """Replaces the status, whole."""
        path = self.path / "status.json"
        _put_folder_aside(path)
        try:
            atomic.write_json(path, status.to_json())
        except WorkError:
            if not _put_folder_aside(path):  # one that came in the meantime
                raise
            atomic.write_json(path, status.to_json())
        self._status = status
        self.tell_change()

    def begin(self, request: Mapping[str, Any], status: Status) -> None:
        """Writes what a new job has into its folder, which gets its name afterwards."""
        atomic.fill_folder(self.path, {"spec.json": request, "status.json": status.to_json()})
        self._status = status

    def update(self, *, times: TimesChanges | None = None, **changes: Unpack[StatusChanges]) -> None:
        """Changes values of the status, and of its times those in `times`.

        Whoever holds the lock is alone in writing it, and needs no file to know it: so one that is damaged meanwhile is
        whole again after this.
        """
        held = self._status if self.lock.is_held() else None
        self.write_status((held or self.status_or_new()).changed(times, **changes))

    def observed_status(self) -> Status:
        """The status, and `interrupted` where it says that a process works on the job and that process is dead.

        So nobody who only looks has to write.
        """
        status = self.status()
        if not status.needs_process() or self.lock.is_taken():
            return status
        status = self.status()  # its process may have ended it in between
        if not status.needs_process():
            return status
        return status.changed(state="interrupted", message=f"its process was lost; resume {self.resumes}")

    def request(self) -> dict[str, Any]:
        """The request as it stands in the file."""
        return self.read_json("spec.json")

    @abstractmethod
    def spec(self) -> Any:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""

    def is_cancel_requested(self) -> bool:
        """Whether `cancel_mark` is there, whatever it is; nobody's is seen where one may not look."""
        return os.path.lexists(self.cancel_mark)

    def ask_to_cancel(self) -> None:
        """Makes `cancel_mark`."""
        if self.is_cancel_requested():
            return
        with atomic.as_work_error(self.cancel_mark), files.opened(self.cancel_mark, os.O_WRONLY | os.O_CREAT):
            return

    def end(self, state: State, message: str) -> None:
        """Writes a final state (done, failed, cancelled) or `interrupted`, with its one sentence."""
        error = message if state == "failed" else None
        changes: StatusChanges = {"state": state, "message": message, "error": error}
        if state == "done":
            changes["progress"] = 1.0
        self.update(times={"finished": time.time()}, **changes)
        if state in ENDED:
            self.forget_to_cancel()

    def forget_to_cancel(self) -> None:
        """Removes `cancel_mark`, whatever it is."""
        mark = self.cancel_mark
        with atomic.as_work_error(mark):
            if files.kind_of(mark) == "a folder":
                shutil.rmtree(mark)
            else:
                mark.unlink(missing_ok=True)

    def write_env(self, env: dict[str, Any]) -> None:
        """Versions, hardware, threads and seed of the process that works on the run."""
        atomic.write_json(self.path / "env.json", env)
        self.tell_change()

    def env(self) -> dict[str, Any]:
        """What `write_env` wrote; empty before the run has started."""
        return self.read_json("env.json") if self.has("env.json") else {}

    def tell_change(self) -> None:
        """Lets those know who keep an index that what it holds of the job has changed."""
        if not self.id.startswith("."):  # it has a name, so somebody may know of it
            Journal(self.root).note(self.id)

    # -- what happened

    def append_event(self, event: Event) -> None:
        """Appends one event, stamped with the Unix time `t`, and what the log says of it."""
        line = {"t": time.time(), "kind": event.KIND, **event.to_json()}
        atomic.append_line(self._events, line)
        self.write_log(*log_lines.lines_of(event))

    def events(self, kind: type[E]) -> list[E]:
        """All events of one kind, oldest first; WorkError when a line of it is damaged."""
        lines = (line for line in self.event_lines() if line.get("kind") == kind.KIND)
        return [kind.from_json(line, str(self._events)) for line in lines]

    def event_lines(self) -> list[dict[str, Any]]:
        """The events of all kinds as they stand in the file: `t`, `kind` and the fields of the kind."""
        return atomic.read_lines(self._events)

    @property
    def _events(self) -> Path:
        return self.path / "events.jsonl"

    def say(self, message: str, progress: float = 0.0) -> None:
        """What is going on, in the status and in the log; so much of the job is behind it, or what was before."""
        self.update(message=message, progress=max(progress, self.status_or_new().progress))
        self.write_log(message)

    def write_log(self, *sentences: str) -> None:
        """Appends to log.txt, each on a line of its own behind this computer's time."""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        if sentences:
            self.log("\n".join(f"{now}  {one_line(sentence, _LONGEST_LINE)}" for sentence in sentences))

    def log(self, line: str) -> None:
        """Appends to log.txt as it is, where the child's own output goes too."""
        with self.log_file() as descriptor:
            os.write(descriptor, (line.rstrip("\n") + "\n").encode(errors="replace"))

    def log_file(self) -> AbstractContextManager[int]:
        """The descriptor of log.txt, to append to; what cannot be written inside is a WorkError."""
        return opened_log(self.path)

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of the log, read from its end."""
        return atomic.tail(self.path / LOG, lines)


class Run(Job):
    """A run folder. `gallery` marks one that is shipped with the project and is only read.

    Its timings on boards may be in a `measurements_file` outside of the folder, as a gallery run's are, and then so are
    those of its layers.
    """

    noun = "run"
    resumes = "goes on from its last finished step"

    def __init__(self, path: Path, *, gallery: bool = False, measurements_file: Path | None = None) -> None:
        super().__init__(path)
        self.gallery = gallery
        self._measurements_file = measurements_file

    @property
    def root(self) -> Path:
        """The results folder, also of a gallery run whose timings on boards are in one."""
        return self.measurements_file.parent.parent if self.gallery else super().root

    @property
    def measurements_file(self) -> Path:
        """The file of what boards measured of the run's points; may not exist."""
        return self._measurements_file or self.path / _MEASUREMENTS

    def layer_times_file(self, point: int) -> Path:
        """The file of what a point's layers take on this host: beside the point; that of a gallery run is elsewhere."""
        name = f"p{point}.layer_times.json"
        if self._measurements_file is not None:
            return self._measurements_file.with_name(f"{self.id}.{name}")
        return self.path / "models" / name

    @property
    def checkpoint(self) -> Path:
        """The folder of what the run resumes from; may not exist."""
        return self.path / "checkpoint"

    def spec(self) -> run_spec.RunSpec:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        request = self.request()
        return run_spec.parse(with_earlier(request, run_spec.RunSpec))

    def _group(self) -> str | None:
        with suppress(RequestError, WorkError):
            return self.spec().group()
        return None

    # -- what came out

    def append_point(self, point: Point) -> None:
        """Adds a point; the line comes last of all that belongs to it, and says that the rest is there."""
        atomic.append_line(self._points, point.to_json())
        self.tell_change()

    def points(self) -> list[Point]:
        """The points as they were written; WorkError when a line is damaged."""
        return _records(Point, self._points)

    @property
    def _points(self) -> Path:
        return self.path / _POINTS

    def described_points(self) -> list[Point]:
        """The points, and with each what earlier versions did not write of it (`earlier.describe_points`)."""
        return earlier.describe_points(self.points(), self._phases())

    def described_one_by_one(self, request: run_spec.RunSpec) -> Iterator[Point]:
        """The same one after the other; `request` is the run's as far as its phases follow from it."""
        return earlier.described(self._points_of_lines(), request)

    def _points_of_lines(self) -> Iterator[Point]:
        for number, line in enumerate(self.read_lines(_POINTS), 1):
            yield Point.of_text(line) or self._point_of_line(line, number)[0]

    def described_documents(self, request: Mapping[str, Any]) -> Iterator[tuple[Point, dict[str, Any]]]:
        """The same, each with the JSON object of its line and of what is added to it."""
        for point, document, description in earlier.descriptions(self._point_documents(), phases.of_request(request)):
            yield (replace(point, **description), document | description) if description else (point, document)

    def _point_documents(self) -> Iterator[tuple[Point, dict[str, Any]]]:
        for number, line in enumerate(self.read_lines(_POINTS), 1):
            yield self._point_of_line(line, number)

    def _point_of_line(self, line: bytes, number: int) -> tuple[Point, dict[str, Any]]:
        path, place = f"{self.path}/{_POINTS}", f"line {number}"
        document = atomic.parse_object(line, path, place)
        return Point.from_json(document, f"{path}, {place},"), document

    def attempts(self) -> list[Attempts]:
        """What an iterative method attempted, once for each step, in the order of the steps."""
        steps = self.events(Attempts)
        return earlier.describe_attempts(steps, self._phases()) if steps else []

    def _phases(self) -> run_spec.RunSpec:
        return phases.of_request(self.request())

    def append_measurement(self, measurement: Measurement) -> None:
        """Adds what a board measured of one of the points; any process may, at any time."""
        file = self.measurements_file
        with atomic.as_work_error(file):
            files.make_folder(file.parent)
        lock = Lock(file.with_name(f".{file.name}.lock"))
        with lock.holding(wait=30.0) as acquired:
            if not acquired:
                raise WorkError(f"another process has been writing {file} for half a minute; try again")
            atomic.append_line(file, measurement.to_json())
        self.tell_change()

    def measurements(self) -> list[Measurement]:
        """Everything that boards measured of the points, oldest first; WorkError when a line is damaged."""
        if self._measurements_file is None and not self.has(_MEASUREMENTS):
            return []
        return _records(Measurement, self.measurements_file)

    def model_file(self, point: int, suffix: str) -> Path:
        """`models/p<point>.<suffix>`, for example suffix `plan.json`; the folder exists then, the file may not."""
        path = self.path / "models" / f"p{point}.{suffix.lstrip('.')}"
        with atomic.as_work_error(path):
            files.make_folder(path.parent)
        return path

    def checkpoint_file(self, point: int) -> Path:
        """`checkpoint/p<point>.safetensors`; the folder exists then, the file may not."""
        path = self.checkpoint / f"p{point}.safetensors"
        with atomic.as_work_error(path):
            files.make_folder(path.parent)
        return path

    def steps(self) -> int:
        """How many different steps are behind the run: points, and epochs of each stage, however often repeated."""
        epochs = {(epoch.stage, epoch.phase, epoch.keep, epoch.epoch) for epoch in self.events(Epoch)}
        return len(self.points()) + len(epochs)


def _records(kind: type[R], path: Path) -> list[R]:
    return [kind.from_json(line, f"{path}, line {n},") for n, line in enumerate(atomic.read_lines(path), 1)]


def _put_folder_aside(path: Path) -> bool:
    """Renames a folder in the place of a file, which no file can replace; whether there was one."""
    if files.kind_of(path) != "a folder":
        return False
    with atomic.as_work_error(path):
        path.rename(path.with_name(f"{path.name}-{uuid.uuid4().hex[:8]}"))
    return True
