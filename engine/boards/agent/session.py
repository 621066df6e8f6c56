"""The agent script `bench.py` on a board: installed there, its commands called, and their one JSON document read."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.boards.agent import documents, interpreter
from engine.boards.agent import probe as probes
from engine.boards.agent.documents import Document
from engine.boards.registry import Board
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import limits
from engine.errors import WorkError
from engine.texts import last_line, printable

SCRIPT = Path(__file__).with_name("bench.py")
PROBE_SECONDS = 60.0
TIDY_SECONDS = 60.0
HOLD_SECONDS = 86_400.0
MARGIN_SECONDS = 20.0  # for the board's Python to start, and to end what it has started
HEARTBEAT_SECONDS = 10.0  # a board that hears nothing for a minute is let go
MOST_BYTES = 2_000_000_000  # of models and engines in the board's cache
OLDER_DAYS = 30
_PYTHON = ("python3", "-B")  # a Python that lies in the home folder leaves no compiled modules there
_MEASURING = ("run", "ort")  # the commands whose documents hold samples


@dataclass(frozen=True)
class Agent:
    """The script on a board that one is connected to."""

    connection: ssh.Connection
    script: str  # its path there
    holder: ssh.RemoteProcess | None = None  # what holds the board, if it is held

    def call(self, command: str, *options: str, limit: float, argv: Sequence[str] = ()) -> Document:
        """The document of one command, which takes at most `limit` seconds.

        WorkError with the board's own sentence when it fails there, or when the board's hold was lost;
        the connection's errors where that is what failed.
        """
        command_line = [*_PYTHON, self.script, command, "--leash", *options, *(["--", *argv] if argv else [])]
        with self._stop_on_release() as stop:  # stdin stays open: the leash
            result = self.connection.run(command_line, limit=limit + MARGIN_SECONDS, stdin=None, stop=stop)
        with _python_objections(self.connection):
            return _parse_document(result.out, result.err, result.status, command)

    def send(self, file: Path, remote: str, *, sha256: str, on_progress: Callable[[int, int], None]) -> bool:
        """Brings a file to the board; False when it was there already. Raises what `call` and `upload` raise."""
        with self._stop_on_release() as stop:
            return self.connection.upload(file, remote, sha256=sha256, stop=stop, on_progress=on_progress)

    @contextmanager
    def _stop_on_release(self) -> Iterator[Callable[[], bool]]:
        """Gives a `stop` that ends work once the hold on the board is lost, and says why it ended."""
        try:
            yield lambda: self._is_released
        except ssh.Stopped:
            self.check_hold()
            raise

    def probe(self) -> probes.Probe:
        return probes.parse(self.call("probe", limit=PROBE_SECONDS))

    def tidy(self, keep: Sequence[str]) -> Document:
        """Removes models and engines that were not used for long, or longest; never those in `keep`."""
        size = ("--most-bytes", str(MOST_BYTES), "--older-days", str(OLDER_DAYS))
        where = ("--folder", self.connection.folder)
        return self.call("tidy", *where, *size, "--keep", *keep, limit=TIDY_SECONDS)

    def check_hold(self) -> None:
        """WorkError when the board was held and is not any more: its settings are back, and others may use it."""
        if self.holder is not None and self._is_released:
            self.holder.check()
            reason = last_line(self.holder.err)
            raise WorkError(
                f"{self.connection.board.name} was let go in the middle, so nothing was recorded"
                + (f" ({reason})" if reason else "")
                + "; time it again"
            )

    @property
    def _is_released(self) -> bool:
        return self.holder is not None and self.holder.status is not None

    @contextmanager
    def hold(
        self,
        owner: str,
        *,
        power_mode: int | None = None,
        max_clocks: bool = False,
        on_wait: Callable[[Mapping[str, Any]], None],
        on_restore_failure: Callable[[str], None],
    ) -> Iterator[tuple["Agent", Document]]:
        """Holds the board alone, its settings changed as requested and restored at the end, however that comes.

        `on_wait` is called with the holder's description while another has it; what it raises ends the wait.
        `on_restore_failure` gets the reason when settings could not be restored after a failure; after success that is
        a WorkError by itself.
        """
        options = ["--folder", self.connection.folder, "--owner", owner]
        options += [] if power_mode is None else ["--power-mode", str(power_mode)]
        options += ["--max-clocks"] if max_clocks else []
        while True:
            with self.connection.start([*_PYTHON, self.script, "hold", *options], limit=HOLD_SECONDS) as holder:
                line = holder.readline(PROBE_SECONDS)
                with _python_objections(self.connection):
                    document = _parse_document(line, holder.err, holder.status or 0, "hold")
                state = documents.check(documents.Hold, document)
                if state.held:
                    with _release(holder, on_restore_failure), _heartbeat(holder):
                        yield replace(self, holder=holder), document
                    return
            on_wait(state.holder or {})


@contextmanager
def _release(holder: ssh.RemoteProcess, on_restore_failure: Callable[[str], None]) -> Iterator[None]:
    """Releases the board at the end, and checks that its settings are as they were."""
    try:
        yield
    except BaseException:
        holder.close()
        if holder.status and (reason := last_line(holder.err)):
            on_restore_failure(reason)
        raise
    holder.close()
    if holder.status != 0:
        raise WorkError(last_line(holder.err) or "the board did not say that its settings are as they were")


@contextmanager
def open_agent(board: Board, root: Path, password: str | None = None) -> Iterator[Agent]:
    """A connection to a board with the script on it; `root` is the results folder, which holds the trusted keys."""
    with ssh.connect(board, root, password=password) as connection:
        yield install(connection)


def install(connection: ssh.Connection) -> Agent:
    """The script of this version on the board, sent only where it is not there yet."""
    content = SCRIPT.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    path = f"{connection.folder}/scripts/bench-{digest[:12]}.py"
    connection.upload(content, path, sha256=digest)
    return Agent(connection, path)


def probe(board: Board, root: Path, password: str | None = None) -> probes.Probe:
    """What a board is and how it stands now: connects, probes, disconnects."""
    with open_agent(board, root, password) as agent:
        return agent.probe()


@contextmanager
def _heartbeat(holder: ssh.RemoteProcess) -> Iterator[None]:
    """Shows the holder on the board every few seconds that this process lives."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            try:
                holder.write(b"\n")
            except WorkError:
                return  # the connection is gone, as whoever uses it notices, too

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _NoAnswer(WorkError):
    """The script did not answer."""


@contextmanager
def _python_objections(connection: ssh.Connection) -> Iterator[None]:
    """Where the script does not answer, says that the board's Python is none that it runs on, if that is so."""
    try:
        yield
    except _NoAnswer:
        objection = interpreter.objection(connection)
        if objection is None:
            raise
        raise WorkError(objection) from None


def _parse_document(out: str, err: str, status: int, command: str) -> Document:
    """The JSON object in what a command printed; WorkError with its sentence, or with its last line."""
    document = documents.parse(out, most=limits.OUTPUT_BYTES if command in _MEASURING else documents.MOST_SMALL)
    if document is not None and "error" in document:
        raise WorkError(printable(str(document["error"]), 2000))
    if document is not None and status == 0:
        return document
    reason = last_line(err) or last_line(out) or "it printed nothing"
    raise _NoAnswer(f"`{command}` on the board ended with status {status} and no answer: {reason}")
