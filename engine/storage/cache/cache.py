"""The cache of a results folder: files by key, of a bounded size together, each computed by one process. No torch."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import RequestError
from engine.spec.ids import canonical_json
from engine.spec.messages import quote
from engine.storage import directories, files
from engine.storage.atomic import as_work_error, atomic_write
from engine.storage.locks import Lock

FOLDER = "cache"
LIMIT = "ESPALIER_SHARED_CACHE_GB"  # in the environment: gigabytes; 0 keeps nothing
_USUAL_SHARE, _USUAL_MOST = 0.1, 20e9  # of the disk that the results are on, and bytes
_SUFFIX = ".safetensors"
_LOCKS = "locks"
_LOOK_SECONDS = 1.0  # between two tries at a lock that another process holds


@dataclass(frozen=True)
class Key:
    """What an entry is, and a digest of everything that it depends on."""

    kind: str  # a word; the folder that it lies in
    digest: str

    @classmethod
    def of(cls, kind: str, parts: Mapping[str, Any]) -> "Key":
        """By JSON values, such as digests of tensors, settings and versions."""
        return cls(kind, hashlib.sha256(canonical_json({"kind": kind, **parts}).encode()).hexdigest())


class Cache:
    """Any number of processes may use it at once. What is wrong with it is never an error: it is computed then."""

    def __init__(self, results: Path, limit: int | None = None) -> None:
        self.folder = results / FOLDER
        self._limit = limit_of(results) if limit is None else limit

    @property
    def is_off(self) -> bool:
        """Whether it is to hold nothing."""
        return self._limit <= 0

    def path(self, key: Key) -> Path:
        """Where an entry is, or would be."""
        return self.folder / key.kind / f"{key.digest}{_SUFFIX}"

    def read(self, key: Key) -> bytes | None:
        """The bytes of an entry, which is thereby the one used last; None where there is none."""
        path = self.path(key)
        try:
            data = files.read_bytes(path, max(self._limit, 0))
        except OSError:
            return None
        with suppress(OSError):  # another user's
            os.utime(path)
        return data

    def write(self, key: Key, data: bytes) -> None:
        """Keeps an entry, and lets go of those that were not used for longest where it is too much for the limit.

        WorkError for what the disk refuses. One that is larger than all may be together is not kept.
        """
        if len(data) > self._limit:
            return
        path = self.path(key)
        self._make(path.parent)
        with atomic_write(path) as part:
            part.write_bytes(data)
        self._shrink(keep=path)

    @contextmanager
    def alone(self, key: Key, waiting: Callable[[], None]) -> Iterator[None]:
        """No other process is in here for the same key; `waiting` is called once where one is.

        The kernel lets go of it when a process dies. WorkError where there can be no lock.
        """
        path = self.folder / _LOCKS / f"{key.digest}.lock"
        self._make(path.parent)
        lock = Lock(path)
        if not lock.acquire(_LOOK_SECONDS / 10):
            waiting()
            while not lock.acquire(_LOOK_SECONDS):
                continue
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()  # whoever waits for it sees that it is gone, and makes another
            lock.release()

    def usage(self) -> tuple[int, int]:
        """How many entries there are, and their bytes."""
        sizes = [size for _, size, _ in self._entries()]
        return len(sizes), sum(sizes)

    def clear(self) -> int:
        """Removes everything; how many bytes that were. A process that computes an entry keeps it afterwards.

        WorkError for what this user may not remove.
        """
        removed = 0
        for path, size, _ in self._entries():
            with as_work_error(path), suppress(FileNotFoundError):
                path.unlink()
                removed += size
        return removed

    def _make(self, folder: Path) -> None:
        with as_work_error(folder):
            for each in (self.folder, folder):
                files.make_folder(each)

    def _entries(self) -> list[tuple[Path, int, float]]:
        """Every file with its bytes and when it was used last; what a killed process left half written, too."""
        found: list[tuple[Path, int, float]] = []
        for folder in self.folder.glob("*") if files.kind_of(self.folder) == "a folder" else ():
            if folder.name == _LOCKS or files.kind_of(folder) != "a folder":
                continue
            for path in folder.glob("*"):
                with suppress(FileNotFoundError):
                    state = path.lstat()
                    if files.kind_of(path) is None:
                        found.append((path, state.st_size, state.st_mtime))
        return found

    def _shrink(self, keep: Path) -> None:
        entries = sorted(self._entries(), key=lambda entry: entry[2])
        excess = sum(size for _, size, _ in entries) - self._limit
        for path, size, used in entries:
            if excess <= 0:
                return
            if path == keep or (path.suffix != _SUFFIX and time.time() - used < 3600):
                continue
            with suppress(OSError):
                path.unlink()
                excess -= size


def limit_of(results: Path) -> int:
    """The bytes that the cache of a results folder may hold: a tenth of its disk, at most 20 GB, or as asked.

    RequestError where the environment asks for something else than gigabytes.
    """
    asked = os.environ.get(LIMIT)
    if asked is None:
        return int(min(_USUAL_MOST, _USUAL_SHARE * shutil.disk_usage(directories.nearest(results)).total))
    try:
        limit = float(asked)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < 1e9:
        raise RequestError(f"{LIMIT} must be a number of gigabytes, 0 for no cache (got {quote(asked)})")
    return int(limit * 1e9)
