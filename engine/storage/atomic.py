"""Files that appear whole or not at all, and JSON lines that outlive a torn last line. No torch."""

import errno
import io
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import from_json

from engine.errors import WorkError
from engine.storage import files, permissions

_LEFTOVER = ".~"  # how the name of a file that is still being written begins
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# Far more than is ever written here, and little enough to be read without harm.
MOST_JSON = 64 * files.MIB  # bytes of a document
MOST_LINE = 16 * files.MIB  # bytes of a line
MOST_LINES = 2048 * files.MIB  # bytes of a file of lines
_SMALL = 1 << 16  # bytes of a file of lines that is read at once


@contextmanager
def as_work_error(path: Path) -> Iterator[None]:
    """Any OSError inside becomes a WorkError of one sentence about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise WorkError(f"the disk is full: {path} could not be written; free some space and try again") from error
        blocked = permissions.unwritable(path) if error.errno in _FORBIDDEN else None
        if blocked is not None:
            raise WorkError(f"{blocked} {permissions.lacks_permission(blocked)}") from error
        raise WorkError(f"cannot write {path}: {error.strerror or error}") from error


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that a disk or a quota is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__
    return False


@contextmanager
def atomic_write(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """A path beside `path` to write to; on success it is fsynced and takes the name, on failure it is removed.

    The path given keeps the suffix of `path`, for writers that look at it. The folder must be there, and no link; the
    file gets its group and mode, or `mode`. Raises WorkError for what the disk refuses.
    """
    part = path.with_name(f"{_LEFTOVER}{uuid.uuid4().hex[:8]}~{path.name}")
    with as_work_error(path), files.held_folder(path.parent) as folder:
        try:
            yield part
            with files.opened(part) as descriptor:
                if mode is None:
                    files.share(descriptor, folder)
                else:
                    os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.replace(part.name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            part.unlink(missing_ok=True)
        os.fsync(folder)


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed process was still writing in `folder`; nobody else may be writing there."""
    if files.kind_of(folder) != "a folder":
        return  # a link: what is behind it is not ours
    with as_work_error(folder):
        for part in folder.glob(f"{_LEFTOVER}*"):
            part.unlink(missing_ok=True)


def prepare_folder(path: Path) -> None:
    """Makes a folder and those above it; one that is there already is fine. WorkError for what the disk refuses."""
    with as_work_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.make_folder(path)


def behind_links(path: Path) -> Path:
    """Where a file that a user names is to be written: links to its folder are followed, as everywhere else."""
    return Path(os.path.realpath(path.parent)) / path.name  # unlike Path.resolve fine with a link loop


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole."""
    data = _dumps(path, value, indent=1)
    with atomic_write(path) as part:
        part.write_bytes(data + b"\n")


def fill_folder(folder: Path, documents: Mapping[str, Any]) -> None:
    """Writes JSON documents, by their files' names, into a folder that has no name yet; they appear when it gets one.

    So the disk is waited for once a file and once for the folder, and not twice a file. WorkError for what it refuses.
    """
    with as_work_error(folder), files.held_folder(folder) as held:
        for name, value in documents.items():
            data = _dumps(folder / name, value, indent=1)
            with as_work_error(folder / name), files.opened_in(held, name, os.O_WRONLY | os.O_CREAT) as file:
                _write_all(file, data + b"\n")
                os.fsync(file)
        os.fsync(held)


def read_json(path: Path, most: int = MOST_JSON, *, links: bool = False) -> dict[str, Any]:
    """The JSON object in `path`, of at most `most` bytes; WorkError when it is missing or is none."""
    try:
        data = files.read_bytes(path, most, links=links)
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None
    return parse_object(data, path, "it")


def parse_object(data: bytes, path: Path | str, what: str) -> dict[str, Any]:
    """The JSON object in `data`, which is `what` of the file; WorkError when it is none."""
    try:
        value = from_json(data, allow_inf_nan=False)  # nested 200 deep at most
    except (ValueError, RecursionError):
        raise WorkError(f"{path} is damaged: {what} is not JSON") from None
    if not isinstance(value, dict):
        raise WorkError(f"{path} is damaged: {what} holds no JSON object")
    return value


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Appends `value` as one JSON line and fsyncs; a torn last line is cut off first, a failed append is taken back."""
    line = _dumps(path, value) + b"\n"
    with as_work_error(path), files.opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) as fd:
        end = _end_of_last_line(fd)
        os.ftruncate(fd, end)
        try:
            _write_all(fd, line)
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, end)
            raise


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The finished JSON lines; nothing for a missing file, WorkError for a line that is none."""
    return [parse_object(line, path, f"line {number}") for number, line in enumerate(lines(path), 1)]


def lines(path: Path) -> Iterator[bytes]:
    """The finished lines, each with its newline; none for a missing file. A torn last line is left for later.

    WorkError for one that is longer than any that is written here, and for a file that is larger.
    """
    for block in _blocks(files.opened(path), path):
        yield from io.BytesIO(block)


def blocks(path: Path) -> Iterator[bytes]:
    """The same, many lines in one piece: all of most files, and so many of a large one that they take little room."""
    return _blocks(files.opened(path), path)


def blocks_in(folder: int, path: str) -> Iterator[bytes]:
    """The same of a file in a folder that is held by its descriptor."""
    return _blocks(files.opened_in(folder, path.rpartition("/")[2]), path)


def finished_lines(data: bytes) -> bytes:
    """What a file of lines holds, without a torn last one."""
    return data[: data.rfind(b"\n") + 1]


def _blocks(opening: AbstractContextManager[int], path: Path | str) -> Iterator[bytes]:
    try:
        with opening as descriptor:
            size = os.fstat(descriptor).st_size
            if size > MOST_LINES:
                raise WorkError(f"{path} is damaged: it is larger than {MOST_LINES // files.MIB:,} MiB")
            if size <= _SMALL:
                yield finished_lines(os.read(descriptor, size))
            else:
                with os.fdopen(os.dup(descriptor), "rb") as file:
                    yield from _blocks_of(file, path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None


def _blocks_of(file: BinaryIO, path: Path | str) -> Iterator[bytes]:
    block: list[bytes] = []
    room = _SMALL
    while (line := file.readline(MOST_LINE + 1)).endswith(b"\n"):
        block.append(line)
        room -= len(line)
        if room <= 0:
            yield b"".join(block)
            block, room = [], _SMALL
    if len(line) > MOST_LINE:
        raise WorkError(f"{path} is damaged: a line is longer than {MOST_LINE // files.MIB} MiB")
    yield b"".join(block)


def tail(path: Path, count: int, block: int = 8192, most: int = files.MIB) -> list[str]:
    """The last `count` lines of a text file, of its last `most` bytes; nothing for a missing file."""
    try:
        with files.opened(path) as descriptor:
            at, data = os.fstat(descriptor).st_size, b""
            while at > 0 and data.count(b"\n") <= count and len(data) < most:
                step = min(block, at)
                at -= step
                data = os.pread(descriptor, step, at) + data
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None
    return data.decode(errors="replace").splitlines()[-count:]


def _dumps(path: Path, value: Any, indent: int | None = None) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError:
        raise WorkError(f"{path.name} may hold finite numbers only, and was given another") from None
    return text.encode(errors="replace")  # a path that is no text may be quoted in a message


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
