"""The folder of a job: the truth about it, in files that people and programs can read. No torch.

Only the process that holds `Job.lock` writes to `status.json` and to the results, from the moment that the folder
has its name; the kernel lets go of the lock when that process dies, however it dies.
"""

import os
import shutil
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, Unpack

from engine.errors import WorkError
from engine.storage import atomic, files
from engine.storage.folders.contents import CANCEL_MARK, LOCK, LOG, Held, hold, odd_files, opened_log, time_in
from engine.storage.folders.journal import Journal
from engine.storage.locks import Lock
from engine.storage.records import log_lines
from engine.storage.records.event import Event
from engine.storage.records.status import ENDED, State, Status, StatusChanges, TimesChanges
from engine.texts import one_line

E = TypeVar("E", bound=Event)
MOST_SMALL = files.MIB  # bytes of a request, a status or an environment
_LONGEST_LINE = 1000  # characters of the log


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

    def hold(self, ask_for: Collection[str] = ()) -> Held | None:
        """Opens and lists its folder for all that is read until it is let go, which does not see what is new in it.

        Files that are asked for are fetched meanwhile, for `Held.read_small`.
        """
        self._held = hold(self.path, ask_for)
        return self._held

    def let_go(self) -> None:
        """Closes its folder, where that is held."""
        held, self._held = self._held, None
        if held is not None:
            held.close()

    @contextmanager
    def held(self, ask_for: Collection[str] = ()) -> Iterator[Held | None]:
        """The same for what is read inside."""
        try:
            yield self.hold(ask_for)
        finally:
            self.let_go()

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
        held = self._held
        if held is not None and name in held.small:
            return held.small[name][1]
        try:
            if held is None:
                return files.read_bytes(self.path / name, most)
            return files.read_in(held.descriptor, name, most)
        except OSError as error:
            raise WorkError(f"cannot read {self.path}/{name}: {error.strerror or error}") from None

    def read_blocks(self, name: str) -> Iterator[bytes]:
        """The finished lines of one of its files, many at once (`atomic.blocks`)."""
        if self._held is None:
            return atomic.blocks(self.path / name)
        if name in self._held.small:
            return iter((atomic.finished_lines(self._held.small[name][1]),))
        return atomic.blocks_in(self._held.descriptor, f"{self.path}/{name}")

    # -- how it stands

    def status(self) -> Status:
        """How the job stands; WorkError when the file is damaged."""
        text = self.read("status.json")
        if (status := Status.of_text(text)) is not None:
            return status
        place = f"{self.path}/status.json"
        return Status.from_json(atomic.parse_object(text, place, "it"), place)

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


def _put_folder_aside(path: Path) -> bool:
    """Renames a folder in the place of a file, which no file can replace; whether there was one."""
    if files.kind_of(path) != "a folder":
        return False
    with atomic.as_work_error(path):
        path.rename(path.with_name(f"{path.name}-{uuid.uuid4().hex[:8]}"))
    return True
