"""One process on a board: started with a limit, both its streams read as they come, and ended for sure.

Every command runs under `timeout` in a process group of its own, whose number it prints first: nothing is taken for an
answer before that line. Ending it is another command that signals that group: closing a channel alone leaves a silent
process running.
"""

import secrets
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import paramiko

from engine.boards.shell import answers, command_line
from engine.boards.shell.stream import Stream
from engine.boards.ssh import limits
from engine.boards.ssh.errors import ShellRefusal, TimedOut
from engine.boards.ssh.transport import WIRE_ERRORS, Transport
from engine.errors import RequestError, WorkError

# Signals are sent as POSIX writes it: dash takes `kill -TERM -- -PID` for something else.
# Zombies count as ended: their new parent may take its time to collect them.
_END = r"""
runs() { cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q "^[^ZX] [0-9]* $1 "; }
kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1" 2>/dev/null
tries=0
while runs "$1" && [ "$tries" -lt "$2" ]; do sleep 0.1; tries=$((tries + 1)); done
if runs "$1"; then kill -s KILL -- "-$1" 2>/dev/null; fi
printf '%s\n' "$3"
"""
# timeout's own status; its child, or it itself, killed after the grace; the last two as a shell above it says it.
_TIMED_OUT = (124, -1, 137, 143)


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
        token = f"espalier-{secrets.token_hex(8)}"
        self._line = command_line.limited(argv, limit, token)
        self.out, self.err = Stream(token, f"{command_line.NO_TIMEOUT.decode()}|[1-9][0-9]*"), Stream(token, "0")
        self.started = time.monotonic()
        self._token = token
        self._activity = threading.Event()
        self._requested: float | None = None
        self._given_up = False
        self._begun = threading.Event()  # its start line has come, or it is clear that none will
        self._channel: Any = None
        self._error: Exception | None = None
        self._last_activity = self.started
        self._cleanup_started: float | None = None
        self._end_confirmed: bool | None = None
        self._start_thread(self._start_command, stdin)

    # -- its state

    @property
    def pid(self) -> int | None:
        """Its number there, which is that of its group; None until it has started."""
        mark = self.out.mark
        return None if mark in (None, command_line.NO_TIMEOUT) else int(mark)

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
        """Raises what went wrong: ConnectionCut, TimedOut, ShellRefusal, or a WorkError for too much output."""
        if self._error is not None:
            with self.transport.translated_errors(f"run {self.name}"):
                raise self._error
        if self.out.overflowed or self.err.overflowed:
            if self.pid is None:
                raise ShellRefusal(answers.talks_on(self.transport.label))
            raise WorkError(f"{self.name} printed more than {limits.OUTPUT_BYTES >> 20} MiB and was stopped")
        if self.status == -1:
            self.transport.wait_until_closed()
        if self.status in (None, -1):
            self.transport.check()
        if self.pid is None:
            self._check_start()
            return
        if self.status in answers.REFUSED and answers.lacks_kill_after(self.err.text):
            raise WorkError(answers.old_timeout(self.transport.label))
        # While it runs, `timeout` there has the first word, and this is for a board that does not keep its time.
        over = self.limit if self.status in _TIMED_OUT else self.limit + 2 * limits.GRACE_S
        if self.status in (None, *_TIMED_OUT) and self.seconds > over:
            raise TimedOut(
                f"{self.name} did not end within {self.limit:g} s on {self.transport.label} and was stopped",
                out=self.out.text,
                err=self.err.text,
            )

    def _check_start(self) -> None:
        """Raises why it has not started, once that is clear: what a login script ran by itself is no answer."""
        label = self.transport.label
        if self.out.mark == command_line.NO_TIMEOUT:
            raise WorkError(answers.without_timeout(label))
        if self._requested is None:
            return
        waited = time.monotonic() - self._requested
        ended = self.over()
        if not ended and waited <= limits.START_S:
            return
        if ended:
            self.transport.wait_until_closed(0.1)
            self.transport.check()
        else:
            self.transport.confirm(f"run {self.name}")  # a board that does not answer at all is another cause
        if self.pid is None:  # it may have started by now
            self._given_up = True
            raise ShellRefusal(answers.not_run(label, self.out, self.err, self.status, waited))

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

    def wait_for_start(self) -> None:
        """Waits for its start line; raises what `check` raises when that does not come."""
        while self.pid is None and self._error is None:
            self.check()
            self.wait(limits.POLL_S)
        self.check()

    # -- actions on it

    def write(self, data: bytes) -> None:
        """Sends to its stdin, which is held open; raises what `check` raises when that cannot be."""
        self.wait_for_start()
        if self.status is not None:
            self.check()
            raise WorkError(f"{self.name} has ended with status {self.status} and reads nothing any more")
        with self.transport.translated_errors(f"write to {self.name}"):
            self._channel.sendall(data)

    def close_stdin(self) -> None:
        """The process reads the end of its stdin; nothing happens where it has ended, or could not start."""
        if self._requested is not None and self.status is None and not self.transport.lost():
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
        except (*WIRE_ERRORS, WorkError) as error:
            if self.status is None:  # a process may end without having read its stdin
                self._error = error
        self._notify()

    def _notify(self) -> None:
        self._last_activity = time.monotonic()
        self._activity.set()

    def _start_command(self, stdin: bytes | None) -> None:
        channel = self._channel = self.transport.open_session()
        channel.exec_command(self._line)
        self._requested = time.monotonic()
        self._start_thread(self._drain, channel.recv, self.out)
        self._start_thread(self._drain, channel.recv_stderr, self.err)
        if stdin is not None:
            self._begun.wait()  # before that a login script would read it
            if self.pid is not None:
                channel.sendall(stdin)
                channel.shutdown_write()
        channel.status_event.wait()

    def _drain(self, receive: Callable[[int], bytes], stream: Stream) -> None:
        try:
            while data := receive(1 << 16):
                stream.add(data)
                if self.out.mark is not None:
                    self._begun.set()
                self._notify()
        finally:
            stream.over = True
            if stream is self.out:
                self._begun.set()

    def _end(self) -> None:
        end = time.monotonic() + (0.0 if self._given_up else limits.GRACE_S)
        while self.pid is None and self.status is None and self._error is None and time.monotonic() < end:
            time.sleep(0.02)
        try:
            if self.pid is not None:
                self._signal_group(self.pid)
            elif self._requested is not None and self.status is None:
                raise paramiko.SSHException("the process has not told its number")
        finally:
            if self._channel is not None:
                self._channel.close()

    def _signal_group(self, pid: int) -> None:
        channel = self.transport.open_session()
        token = f"{self._token}-ended"
        channel.exec_command(command_line.unlimited(_END, str(pid), f"{limits.GRACE_S * 10:.0f}", token))
        ended, said = False, b""
        while data := channel.recv(1 << 16):
            said = said[-len(token) :] + data
            ended = ended or token.encode() in said
        channel.status_event.wait()
        channel.close()
        if not ended:
            raise paramiko.SSHException("the process could not be ended")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(command: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in command)
    return line if len(line) <= 80 else line[:77] + "..."
