"""Files that appear whole or not at all, and JSON lines that outlive a torn last line. No torch."""

import errno
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import WorkError

_LEFTOVER = ".~"  # how the name of a file that is still being written begins


@contextmanager
def as_work_error(path: Path) -> Iterator[None]:
    """Any OSError inside becomes a WorkError of one sentence about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorkError(f"the disk is full: {path} could not be written; free some space and try again") from error
        raise WorkError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; on success it is fsynced and takes the name, on failure it is removed.

    The path given keeps the suffix of `path`, for writers that look at it. Raises WorkError for what the disk refuses.
    """
    part = path.with_name(f"{_LEFTOVER}{uuid.uuid4().hex[:8]}~{path.name}")
    with as_work_error(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            _sync(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process was still writing in `folder`; nobody else may be writing there."""
    with as_work_error(folder):
        for part in folder.glob(f"{_LEFTOVER}*"):
            part.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole."""
    text = _dumps(path, value, indent=1)
    with atomic_write(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; WorkError when it is missing or is none."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError:
        raise WorkError(f"{path} is damaged: it is not JSON") from None
    if not isinstance(value, dict):
        raise WorkError(f"{path} is damaged: it holds no JSON object")
    return value


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Appends `value` as one JSON line and fsyncs; a torn last line is cut off first, a failed append is taken back."""
    line = _dumps(path, value).encode() + b"\n"
    with as_work_error(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            end = _end_of_last_line(fd)
            os.ftruncate(fd, end)
            try:
                _write_all(fd, line)
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, end)
                raise
        finally:
            os.close(fd)


def read_lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The JSON lines from byte `offset` on, and the offset to read on from; a torn last line is left for later."""
    data, end = read_text_lines(path, offset)
    documents: list[dict[str, Any]] = []
    for number, line in enumerate(data, 1):
        try:
            value = json.loads(line)
        except ValueError:
            raise WorkError(f"{path} is damaged: line {number} after byte {offset} is not JSON") from None
        if not isinstance(value, dict):
            raise WorkError(f"{path} is damaged: line {number} after byte {offset} holds no JSON object")
        documents.append(value)
    return documents, end


def read_text_lines(path: Path, offset: int = 0) -> tuple[list[str], int]:
    """The finished lines from byte `offset` on, and the offset after the last of them; nothing for a missing file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None
    complete = data[: data.rfind(b"\n") + 1]
    return complete.decode(errors="replace").split("\n")[:-1], offset + len(complete)


def tail(path: Path, lines: int, block: int = 8192) -> list[str]:
    """The last `lines` lines of a text file, read from its end; nothing for a missing file."""
    try:
        with path.open("rb") as file:
            at, data = file.seek(0, os.SEEK_END), b""
            while at > 0 and data.count(b"\n") <= lines:
                step = min(block, at)
                at -= step
                file.seek(at)
                data = file.read(step) + data
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None
    return data.decode(errors="replace").splitlines()[-lines:]


def _dumps(path: Path, value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError:
        raise WorkError(f"{path.name} may hold finite numbers only, and was given another") from None


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _end_of_last_line(fd: int, block: int = 8192) -> int:
    """The offset after the file's last newline: its size, unless its last line is torn."""
    at = os.fstat(fd).st_size
    while at > 0:
        start = max(0, at - block)
        newline = os.pread(fd, at - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        at = start
    return 0
