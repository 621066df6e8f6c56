"""One process on a board: started with a limit, both its streams read as they come, and ended for sure.

Every command runs under `timeout` in a process group of its own, whose number it prints first. Ending it is another
command that signals that group: closing a channel alone leaves a silent process running.
"""

import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import paramiko

from engine.boards.ssh import limits
from engine.boards.ssh.errors import TimedOut
from engine.boards.ssh.transport import WIRE_ERRORS, Transport
from engine.errors import RequestError, WorkError

# timeout becomes the leader of a group with this number, or is one already where sshd made it one.
# Signals are sent as POSIX writes it: dash takes `kill -TERM -- -PID` for something else.
_START = 'printf "%s %s\\n" "$0" "$$"; exec timeout -k 5 "$@"'
# Zombies count as ended: their new parent may take its time to collect them.
_END = r"""
runs() { cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q "^[^ZX] [0-9]* $1 "; }
kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1" 2>/dev/null
tries=0
while runs "$1" && [ "$tries" -lt "$2" ]; do sleep 0.1; tries=$((tries + 1)); done
if runs "$1"; then kill -s KILL -- "-$1" 2>/dev/null; fi
exit 0
"""
_TIMED_OUT = (124, 137, -1)  # timeout's own status; its child, or it itself, killed after the grace


class Process:
    """A running command. `stdin` is sent and closed after it; None holds it open. `name` is for messages."""

    def __init__(
        self, transport: Transport, argv: Sequence[str], *, limit: float, stdin: bytes | None, name: str | None = None
    ) -> None:
        if not argv or any("\0" in part or not _encodable(part) for part in argv):
            raise RequestError("a command for a board needs words, without NUL and in UTF-8")
        if not 0 < limit < float("inf"):
            raise RequestError(f"a command for a board needs a limit above 0 s, not {limit}")
        self.transport = transport
        self.command = shlex.join(argv)
        self.name = name or f"`{_short(self.command)}`"
        self.limit = limit
        self.out, self.err = Stream(), Stream()
        self.pid: int | None = None
        self.started = time.monotonic()
        self._token = f"espalier-{secrets.token_hex(8)}"
        self._line = shlex.join(["sh", "-c", _START, self._token, f"{limit:.3f}", *argv])
        self._greeting = bytearray()
        self._activity = threading.Event()
        self._requested = False
        self._ready = threading.Event()
        self._channel: Any = None
        self._error: Exception | None = None
        self._last_activity = self.started
        self._cleanup_started: float | None = None
        self._end_confirmed: bool | None = None
        self._start_thread(self._start_command, stdin)

    # -- its state

    @property
    def status(self) -> int | None:
        """The exit status, −1 after a signal; None while it runs."""
        channel = self._channel
        return int(channel.exit_status) if channel is not None and channel.exit_status_ready() else None

    @property
    def seconds(self) -> float:
        """Since it was requested."""
        return time.monotonic() - self.started

    def check(self) -> None:
        """Raises what went wrong: ConnectionCut, TimedOut, or a WorkError for too much output or no start."""
        if self._error is not None:
            with self.transport.translated_errors(f"run {self.name}"):
                raise self._error
        if self.out.overflowed or self.err.overflowed:
            raise WorkError(f"{self.name} printed more than {limits.OUTPUT_BYTES >> 20} MiB and was stopped")
        if self.status == -1:
            self.transport.wait_until_closed()
        if self.status in (None, -1):
            self.transport.check()
        # While it runs, `timeout` there has the first word, and this is for a board that does not keep its time.
        over = self.limit if self.status in _TIMED_OUT else self.limit + 2 * limits.GRACE_S
        if self.status in (None, *_TIMED_OUT) and self.seconds > over:
            raise TimedOut(
                f"{self.name} did not end within {self.limit:g} s on {self.transport.label} and was stopped",
                out=self.out.text,
                err=self.err.text,
            )

    def over(self) -> bool:
        """Whether it has ended and all its output is here.

        What holds its streams open after it, and says nothing or goes on past the limit, is ended like itself.
        """
        if self.status is None:
            return False
        if self.out.over and self.err.over:
            return True
        now = time.monotonic()
        lingers = now - self._last_activity > limits.LEFT_S or self.seconds > self.limit + 2 * limits.GRACE_S
        if lingers and self._cleanup_started is None:
            self.end()
            self._cleanup_started = time.monotonic()
        return self._cleanup_started is not None and now - self._cleanup_started > limits.LEFT_S

    def wait(self, seconds: float) -> None:
        """Waits for something new, for at most so long."""
        self._activity.wait(seconds)
        self._activity.clear()

    # -- actions on it

    def write(self, data: bytes) -> None:
        """Sends to its stdin, which is held open; raises what `check` raises when that cannot be."""
        while not self._ready.is_set():
            self.check()
            self._ready.wait(limits.POLL_S)
        if self.status is not None:
            self.check()
            raise WorkError(f"{self.name} has ended with status {self.status} and reads nothing any more")
        with self.transport.translated_errors(f"write to {self.name}"):
            self._channel.sendall(data)

    def close_stdin(self) -> None:
        """The process reads the end of its stdin; nothing happens where it has ended, or could not start."""
        if self._ready.is_set() and self.status is None and not self.transport.lost():
            self.transport.run_within(f"close the input of {self.name}", self._channel.shutdown_write, limits.CLEANUP_S)

    def end(self) -> bool:
        """Ends its whole process group, by SIGTERM first. False when that is not sure: the transport is lost."""
        if self._end_confirmed is None:
            transport = self.transport
            self._end_confirmed = not transport.lost() and transport.run_within(
                f"end {self.name}", self._end, limits.CLEANUP_S
            )
        return self._end_confirmed

    # -- in threads

    def _start_thread(self, work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=self._run_guarded, args=(work, *args), daemon=True, name="ssh-process").start()

    def _run_guarded(self, work: Callable[..., None], *args: Any) -> None:
        try:
            work(*args)
        except WIRE_ERRORS as error:
            if self.status is None:  # a process may end without having read its stdin
                self._error = error
        self._notify()

    def _notify(self) -> None:
        self._last_activity = time.monotonic()
        self._activity.set()

    def _start_command(self, stdin: bytes | None) -> None:
        channel = self._channel = self.transport.inner.open_session(timeout=self.transport.timeout)
        self._requested = True
        channel.exec_command(self._line)
        self._ready.set()
        self._start_thread(self._drain, channel.recv, self._read_stdout, self.out)
        self._start_thread(self._drain, channel.recv_stderr, self.err.add, self.err)
        if stdin is not None:
            channel.sendall(stdin)
            channel.shutdown_write()
        channel.status_event.wait()

    def _drain(self, receive: Callable[[int], bytes], add: Callable[[bytes], None], stream: "Stream") -> None:
        try:
            while data := receive(1 << 16):
                add(data)
                self._notify()
        finally:
            if stream is self.out and self.pid is None:
                stream.add(bytes(self._greeting))  # our first line is missing: this may say why
            stream.over = True

    def _read_stdout(self, data: bytes) -> None:
        """The first line of ours tells the pid; what a login script of the board prints before it is dropped."""
        if self.pid is not None:
            self.out.add(data)
            return
        self._greeting += data
        match = re.search(rb"%s (\d+)\n" % self._token.encode(), self._greeting)
        if match:
            self.out.add(bytes(self._greeting[match.end() :]))
            self.pid = int(match[1])
        elif len(self._greeting) > limits.GREETING_BYTES:
            self.out.overflowed = True
            self._greeting.clear()

    def _end(self) -> None:
        end = time.monotonic() + limits.GRACE_S
        while self.pid is None and self.status is None and self._error is None and time.monotonic() < end:
            time.sleep(0.02)
        try:
            if self.pid is not None:
                self._signal_group(self.pid)
            elif self._requested and self.status is None:
                raise paramiko.SSHException("the process has not told its number")
        finally:
            if self._channel is not None:
                self._channel.close()

    def _signal_group(self, pid: int) -> None:
        channel = self.transport.inner.open_session(timeout=self.transport.timeout)
        channel.exec_command(shlex.join(["sh", "-c", _END, "sh", str(pid), f"{limits.GRACE_S * 10:.0f}"]))
        channel.status_event.wait()
        if channel.exit_status != 0:
            raise paramiko.SSHException("the process could not be ended")
        channel.close()


class Stream:
    """What one stream has brought so far, and how much of it was given out as lines."""

    def __init__(self) -> None:
        self.over = False
        self.overflowed = False
        self._data = bytearray()
        self._read_position = 0

    def add(self, data: bytes) -> None:
        if len(self._data) + len(data) > limits.OUTPUT_BYTES:
            self.overflowed = True
        else:
            self._data += data

    @property
    def text(self) -> str:
        """All of it; bytes that are no UTF-8 become U+FFFD."""
        return bytes(self._data).decode(errors="replace")

    def line(self) -> str | None:
        """The next line with its newline, if it has one; None when none is there yet, "" after the last."""
        over = self.over  # before looking: what comes in between is for the next call
        end = self._data.find(b"\n", self._read_position) + 1
        if end == 0 and not over:
            return None
        line = bytes(self._data[self._read_position : end or len(self._data)])
        self._read_position += len(line)
        return line.decode(errors="replace")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(command: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in command)
    return line if len(line) <= 80 else line[:77] + "..."
