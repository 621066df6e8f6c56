"""Locks that the kernel lets go of when their holder dies, and who a process is. No torch."""

import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from engine.errors import WorkError
from engine.storage import files
from engine.storage.atomic import as_work_error

_SIGNATURE = 200  # bytes


@dataclass(frozen=True)
class Process:
    """A process, distinct from any other that has had the number: its pid, and its `birth` in words of the kernel.

    That is the boot and the clock tick of it at which the process was started, which setting the clock does not move.
    """

    pid: int
    birth: str

    @classmethod
    def current(cls) -> "Process":
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has the number `pid` now; it must exist, if only as a zombie."""
        return cls(pid, _birth(pid))

    def alive(self) -> bool:
        """Whether it runs: the number is taken, by one born then, that is no zombie."""
        try:
            return _birth(self.pid) == self.birth and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def is_of_this_boot(self) -> bool:
        """Whether it ran on this computer since that was started; another's numbers say nothing here."""
        return self.birth.rpartition(":")[0] == _boot()

    def signal(self, number: int) -> None:
        """Sends a signal, and only to this very process; PermissionError when it is another user's."""
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
            self._fd = self._try_lock()
            if self._fd is None:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.01)
        if sign:
            self.sign()
        return True

    def sign(self) -> None:
        """Writes who this process is into the lock that it holds, and when: its heartbeat."""
        assert self._fd is not None
        current = Process.current()
        # Seconds since the boot: a clock that is set does not make a heartbeat old, nor does a sleep.
        text = json.dumps({"pid": current.pid, "birth": current.birth, "beat": time.monotonic()}).encode()
        with as_work_error(self.path):
            os.pwrite(self._fd, text.ljust(_SIGNATURE), 0)
        self._signed = True

    def is_held(self) -> bool:
        """Whether this object holds it."""
        return self._fd is not None

    def is_intact(self) -> bool:
        """Whether what this object holds is still the file at its path, and not one that was moved or deleted."""
        return self._fd is not None and _is_still(self.path, self._fd)

    def release(self, *, signature: bool = False) -> None:
        """Lets go; holding nothing is fine. With `signature` it stays, as if the holder had been killed."""
        if self._fd is not None:
            if self._signed and not signature:
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
        """Whether somebody holds it, this object included. Nothing is written."""
        if self._fd is not None:
            return True
        try:
            with files.opened(self.path) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise WorkError(f"cannot read {self.path}: {error.strerror or error}") from None
        return False

    def owner(self) -> Process | None:
        """The living process that signed it, if the lock is taken."""
        if not self.is_taken():
            return None
        signer = self.signer()
        return signer if signer and signer.alive() else None

    def signer(self) -> Process | None:
        """Who signed it last and did not let go of it, dead or alive."""
        signature = self._signature()
        return None if signature is None else signature[0]

    def age(self) -> float:
        """Seconds since the last heartbeat of a holder on this computer; 0 of one that is none."""
        signature = self._signature()
        if signature is None or not signature[0].is_of_this_boot():
            return 0.0
        return max(0.0, time.monotonic() - signature[1])

    def _signature(self) -> tuple[Process, float] | None:
        try:
            value = json.loads(files.read_bytes(self.path, _SIGNATURE))
            return Process(int(value["pid"]), str(value["birth"])), float(value["beat"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None  # unsigned, or being signed right now

    def _try_lock(self) -> int | None:
        with as_work_error(self.path), files.opened(self.path, os.O_RDWR | os.O_CREAT) as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            return fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 0) if _is_still(self.path, opened) else None


def _birth(pid: int) -> str:
    """See `Process.birth`. psutil's time of birth is the clock's, and changes when that is set."""
    if not sys.platform.startswith("linux"):
        return f"{_boot()}:{psutil.Process(pid).create_time()}"
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    return f"{_boot()}:{stat[stat.rindex(b')') :].split()[20].decode()}"  # field 22 of proc_pid_stat(5)


@cache
def _boot() -> str:
    """This computer since it was started, as distinct from any other one."""
    file = Path("/proc/sys/kernel/random/boot_id")
    return file.read_text().strip() if file.exists() else platform.node()


def _is_still(path: Path, fd: int) -> bool:
    """Whether `fd` is the file at `path`, and not one that was deleted or moved away while waiting."""
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False
