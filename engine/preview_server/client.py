"""Asking the warm process, which is started where there is none. No torch."""

import select
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from engine.errors import WorkError
from engine.pipeline.preview.answer import Preview
from engine.pipeline.preview.request import PreviewRequest
from engine.preview_server import place, wire
from engine.storage import directories

IDLE_SECONDS = 180.0  # without an ask, after which a warm process ends
_MOST_STARTS = 3  # for one ask: a process may be about to end when it is asked
_CONNECT_SECONDS = 10.0
_Popen = subprocess.Popen[bytes]
_started: list[_Popen] = []  # by this process: their ends are looked at, their pipes are held open


@dataclass(frozen=True)
class Start:
    """How a warm process is started where there is none.

    It ends when nobody has asked for `idle_seconds`; one that is `bound` ends with the process that starts it, too.
    """

    bound: bool = False
    idle_seconds: float = IDLE_SECONDS
    command: tuple[str, ...] = (sys.executable, "-m", "engine.preview_server.server")


class Ask:
    """One preview on its way. To drop it (a slider was moved) is to `close` it; the next one is another ask."""

    def __init__(self, request: PreviewRequest, start: Start = Start()) -> None:
        """Ask; WorkError when no process can be started."""
        self.stage = "starting"
        self._request, self._start = request, start
        self._starts = 0
        self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody waits for the answer any more."""
        self._connection.close()

    def poll(self, seconds: float = 0.0) -> Preview | None:
        """The answer, waited for at most so long; None while there is none, and `stage` says what is going on.

        RequestError and WorkError as the preview raised them; WorkError, too, when its process was lost.
        """
        if not select.select([self._connection], [], [], seconds)[0]:
            return None
        try:
            documents = self._lines.feed(data := self._connection.recv(1 << 20))
        except OSError:
            data, documents = b"", []
        except ValueError as error:
            raise WorkError(f"the process that previews sent what is no answer: {error}") from None
        for document in documents:
            if (answer := self._heard(document)) is not None:
                return answer
        if not data:
            self._lost()
        return None

    def _heard(self, document: Any) -> Preview | None:
        if "answer" in document:
            return Preview.from_json(document["answer"], "the answer of the process that previews")
        if "error" in document:
            raise wire.error_in(document["error"])
        self._taken = True
        self.stage = str(document.get("stage", self.stage))
        return None

    def _lost(self) -> None:
        """The process ended: another is asked where this one had not begun."""
        self.close()
        if self._taken or self._starts >= _MOST_STARTS:
            if not self._taken:
                raise _cannot_start(self._process)
            raise WorkError(f"the process that previews {_end_of(self._process)}; ask again, and another one starts")
        self._connect()

    def _connect(self) -> None:
        self._starts += 1
        self._taken, self._lines = False, wire.Lines()
        path = place.socket_of(self._request.spec.model)
        self._connection, self._process = _connected(path, self._start)
        try:
            wire.send(self._connection, self._request.to_json())
        except OSError:
            self.stage = "starting"  # it has ended in between, which the next look at it finds


def ask(request: PreviewRequest, listener: Callable[[str], None] = lambda _: None, start: Start = Start()) -> Preview:
    """The answer to a request, waited for; `listener` hears what is going on. Errors as `Ask.poll` has them."""
    with Ask(request, start) as asked:
        while (answer := asked.poll(1.0)) is None:
            listener(asked.stage)
        return answer


def _connected(path: Path, start: Start) -> tuple[socket.socket, _Popen | None]:
    """A connection to the process that listens at `path`, and the process where it had to be started for it."""
    with place.locked():
        try:
            return _try_connect(path), None
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)  # of one that was killed
        process = _started_at(path, start)
        try:
            return _try_connect(path), process
        except ConnectionRefusedError:  # it has ended, and with it the last that held the socket
            raise _cannot_start(process) from None
        except OSError as error:
            raise WorkError(
                f"cannot reach the process that previews: {error.strerror or error}; preview with --no-warm"
            ) from None


def _try_connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _started_at(path: Path, start: Start) -> _Popen:
    """Start a process that listens at `path`. The socket is opened here, so that it can be asked at once."""
    _started[:] = [process for process in _started if process.poll() is None]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(16)  # until here nobody can connect
        options = [str(listening.fileno()), str(path), str(start.idle_seconds), *(["--bound"] if start.bound else [])]
        try:
            process = subprocess.Popen(
                [*start.command, *options],
                cwd=directories.PACKAGES,
                stdin=subprocess.PIPE if start.bound else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            path.unlink(missing_ok=True)
            raise WorkError(f"the process that previews cannot start: {error.strerror or error}") from None
    _started.append(process)
    return process


def _cannot_start(process: _Popen | None) -> WorkError:
    return WorkError(
        f"the process that previews cannot start: it {_end_of(process)}; preview with --no-warm to see why"
    )


def _end_of(process: _Popen | None) -> str:
    """How a process has ended, as far as that is known of one that another process may have started."""
    try:
        code = process.wait(timeout=1.0) if process else 0
    except subprocess.TimeoutExpired:
        code = 0
    if code < 0:
        return f"was killed by signal {-code} (9 is what a machine that runs out of memory sends)"
    return f"ended with exit status {code}" if code else "ended before it answered"
