"""Commands on a board, to their end, and processes that stay there while this side talks to them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from engine.boards.shell.stream import Stream
from engine.boards.ssh import limits
from engine.boards.ssh.errors import Stopped, TimedOut
from engine.boards.ssh.process import Process
from engine.boards.ssh.transport import Transport


@dataclass(frozen=True)
class CommandResult:
    """How a command ended. `status` is −1 when a signal ended it; bytes that are no UTF-8 became U+FFFD."""

    command: str
    status: int
    out: str
    err: str
    seconds: float


def run(
    transport: Transport,
    argv: Sequence[str],
    *,
    limit: float,
    stdin: bytes | None = None,
    stop: Callable[[], bool] | None = None,
    on_line: Callable[[str], None] | None = None,
    name: str | None = None,
) -> CommandResult:
    """Runs a command to its end. On `stop`, the limit or any exception its whole process group is ended first.

    What the login shell of the account prints by itself is no part of it: ShellRefusal where that did not run it.
    `stop` and `on_line` (a line of either stream, without its newline) are called in the caller's thread.
    """
    process = Process(transport, argv, limit=limit, stdin=stdin, name=name)
    try:
        over = False
        while not over:
            if stop is not None and stop():
                raise Stopped(_stopped(process))
            over = process.over()
            if on_line is not None:
                for line in _lines(process):
                    on_line(line)
            process.check()
            if not over:
                process.wait(limits.POLL_S)
    except BaseException:
        process.end()
        raise
    return CommandResult(process.command, process.status or 0, process.out.text, process.err.text, process.seconds)


class RemoteProcess:
    """A process that stays on the board, its stdin held open until `close`."""

    def __init__(self, transport: Transport, argv: Sequence[str], *, limit: float) -> None:
        self._process = Process(transport, argv, limit=limit, stdin=None)

    @property
    def status(self) -> int | None:
        """The exit status, −1 after a signal; None while it runs."""
        return self._process.status

    @property
    def err(self) -> str:
        """What it has printed on stderr so far."""
        return self._process.err.text

    def readline(self, timeout: float) -> str:
        """The next line of its stdout with its newline; "" when it has ended and printed no more.

        Raises TimedOut when there is none for `timeout` seconds, ConnectionCut, ShellRefusal.
        """
        end = time.monotonic() + timeout
        while True:
            line = self._process.out.line()
            if line is not None and line.endswith("\n"):
                return line
            if line is not None:
                self._wait_for_end()  # a last line, or none: its end, or that of the connection?
                return line
            self._process.check()
            lingers = end - time.monotonic()
            if lingers <= 0:
                raise TimedOut(f"{self._process.name} printed nothing for {timeout:g} s", err=self.err)
            self._process.wait(min(lingers, limits.POLL_S))

    def check(self) -> None:
        """Raises ConnectionCut when it is gone because the connection is; TimedOut when its limit was over."""
        self._process.check()

    def write(self, data: bytes) -> None:
        """Sends to its stdin. Raises ConnectionCut, or a WorkError when it has ended."""
        self._process.write(data)

    def close(self) -> None:
        """Closes its stdin, gives it time to undo what it did, then ends its process group; twice is fine."""
        process = self._process
        process.close_stdin()
        end = time.monotonic() + limits.CLOSE_S
        while (
            process.pid is not None and not process.over() and time.monotonic() < end and not process.transport.lost()
        ):
            process.wait(limits.POLL_S)
        if not process.over():
            process.end()

    def _wait_for_end(self) -> None:
        """Until its status and the rest of its stderr are here, which come apart from its stdout; a second at most."""
        process, end = self._process, time.monotonic() + 1.0
        while (process.status is None or not process.err.over) and time.monotonic() < end:
            process.check()
            process.wait(0.01)
        process.check()

    def __enter__(self) -> "RemoteProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lines(process: Process) -> Iterator[str]:
    streams: tuple[Stream, Stream] = (process.out, process.err)
    for stream in streams:
        while line := stream.line():
            yield line.removesuffix("\n")


def _stopped(process: Process) -> str:
    if process.end():
        return f"{process.name} was stopped on {process.transport.label}"
    return (
        f"{process.name} was stopped, but {process.transport.label} could not confirm it any more; "
        f"it ends there by itself within {process.limit:g} s"
    )
