"""A job's process as whoever started it sees it: how it begins, whether it has ended, and how it is stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import psutil

from engine.errors import WorkError
from engine.storage import directories
from engine.storage.locks import Lock, Process

PROJECT = directories.PACKAGES


class Folder(Protocol):
    """What a process is started and watched by: a job, or as much of one as a process has that knows no requests."""

    @property
    def lock(self) -> Lock: ...

    def log_file(self) -> AbstractContextManager[int]: ...


J = TypeVar("J", bound=Folder)


@dataclass
class Child(Generic[J]):
    """A job's process: one started here (`popen`), or one of a worker that died."""

    job: J
    popen: subprocess.Popen[bytes] | None
    stopped_at: float | None = None  # the monotonic second of its signal to stop
    code: int = 0  # the exit status of one that was started here

    def __post_init__(self) -> None:
        self._started = Process.of(self.popen.pid) if self.popen else None

    def has_ended(self) -> bool:
        """Whether the process has ended and nothing of it holds the job; survivors of its group are ended here."""
        if self.popen is not None:
            if self._started is not None and self._started.alive():
                return False
            _kill_group(self.popen.pid)  # before it is reaped: until then nobody else can have its number
            self.code = self.popen.wait()
            self.popen = None
        try:
            if not self.job.lock.is_taken():
                return True
        except WorkError:
            return True  # nobody may look any more: that is said when the job is settled
        signer = self.job.lock.signer()
        if signer and signer.is_of_this_boot() and not signer.alive():
            _kill_session(signer.pid)
        return False

    def stop(self, grace: float) -> None:
        """Sends SIGTERM once; `grace` seconds later ends its whole process group. Not to another user's."""
        now = time.monotonic()
        if self.stopped_at is None:
            self.stopped_at = now
            self._signal(signal.SIGTERM)
        elif now - self.stopped_at > grace:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        process = self.job.lock.owner() or self._started
        if process is None:
            return
        if number == signal.SIGKILL:
            _kill_group(process.pid)
        with suppress(PermissionError):
            process.signal(number)


def start(
    job: J,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    stdin: int = subprocess.DEVNULL,
) -> Child[J]:
    """Starts a job's process, in a session of its own; its output goes to the job's log.

    It has this process's environment with `environment` put in. `stdin` may be a pipe, whose end tells it that this
    process has died. WorkError or OSError when it cannot start.
    """
    with job.log_file() as log:
        popen = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            stdin=stdin,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Child(job, popen)


def _kill_group(leader: int) -> None:
    """Ends every process of the group that `leader` leads; nothing when it leads none, as in a shell script."""
    try:
        if os.getpgid(leader) == leader != os.getpgrp():
            os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # ended in between; macOS says PermissionError for a group of zombies


def _kill_session(leader: int) -> None:
    """Ends the rest of a dead child's session; while anything of it runs, the kernel gives its number to nobody."""
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == leader != os.getsid(0):
                os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue  # ended in between, or not ours
