"""Locks that the kernel lets go of when their holder dies, and who a process is. No torch."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.storage.atomic import as_work_error


@dataclass(frozen=True)
class Process:
    """A process, distinct from a later one with the same number: pid and time of birth (Unix seconds)."""

    pid: int
    birth: float

    @classmethod
    def current(cls) -> "Process":
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has the number `pid` now; it must exist, if only as a zombie."""
        return cls(pid, psutil.Process(pid).create_time())

    def alive(self) -> bool:
        """Whether it runs: the number is taken, by one born at that time, that is no zombie."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(float(process.create_time()) - self.birth) < 0.05
            return is_same and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def signal(self, number: int) -> None:
        """Sends a signal, and only to this very process."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it ended in between, which was the aim


class Lock:
    """An flock on a file. Whoever holds it may sign it, so that others know whom to signal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._signed = False

    def acquire(self, wait: float = 0.5, *, sign: bool = False) -> bool:
        """Takes the lock within `wait` seconds (others' `is_taken` touches it for an instant) or returns False."""
        deadline = time.monotonic() + wait
        while self._fd is None:
            self._fd = self._try_lock(fcntl.LOCK_EX)
            if self._fd is None:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.01)
        if sign:
            self.sign()
        return True

    def sign(self) -> None:
        """Writes who this process is into the lock that it holds."""
        assert self._fd is not None
        current = Process.current()
        text = json.dumps({"pid": current.pid, "born": current.birth}).encode()
        with as_work_error(self.path):
            os.pwrite(self._fd, text.ljust(80), 0)
        self._signed = True

    def beat(self) -> None:
        """Renews the lock's heartbeat."""
        assert self._fd is not None
        with as_work_error(self.path):
            os.utime(self._fd)

    def release(self) -> None:
        """Lets go; holding nothing is fine."""
        if self._fd is not None:
            if self._signed:
                os.ftruncate(self._fd, 0)
            fcntl.flock(self._fd, fcntl.LOCK_UN)  # for forked processes too, that share what is locked
            os.close(self._fd)
        self._fd, self._signed = None, False

    @contextmanager
    def holding(self, wait: float = 0.5) -> Iterator[bool]:
        """Whether it was free, and held until the end if so."""
        acquired = self.acquire(wait)
        try:
            yield acquired
        finally:
            if acquired:
                self.release()

    def is_taken(self) -> bool:
        """Whether somebody holds it, this object included."""
        if self._fd is not None:
            return True
        if not self.path.exists():
            return False
        fd = self._try_lock(fcntl.LOCK_SH)
        if fd is None:
            return True
        os.close(fd)
        return False

    def owner(self) -> Process | None:
        """The living process that signed it, if the lock is taken."""
        if not self.is_taken():
            return None
        signer = self.signer()
        return signer if signer and signer.alive() else None

    def signer(self) -> Process | None:
        """Who signed it last and did not let go of it, dead or alive."""
        try:
            value = json.loads(self.path.read_bytes())
            return Process(int(value["pid"]), float(value["born"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # unsigned, or being signed right now

    def age(self) -> float:
        """Seconds since the last heartbeat."""
        try:
            return time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def _try_lock(self, kind: int) -> int | None:
        with as_work_error(self.path):
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
                acquired = _is_still(self.path, fd)
            except BlockingIOError:
                acquired = False
            except BaseException:
                os.close(fd)
                raise
        if not acquired:
            os.close(fd)
            return None
        return fd


def _is_still(path: Path, fd: int) -> bool:
    """Whether `fd` is the file at `path`, and not one that was deleted or moved away while waiting."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
