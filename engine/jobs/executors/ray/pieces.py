"""What changes in a run's folder on a node, in pieces, and how they are put into its folder here. No torch.

A piece is a tuple, so that whoever carries it need not know this program. Whole files come before the lines that say
that they are there, and the status comes last: wherever this breaks off, the folder is one that a run goes on from.
"""

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from typing import Literal

from engine.errors import WorkError
from engine.storage import atomic, files
from engine.storage.atomic import as_work_error, atomic_write, parse_object
from engine.storage.folders.run import Run
from engine.storage.records.status import ENDED, Status

Kind = Literal["file", "lines", "gone", "status"]
Piece = tuple[Kind, str, bytes, bool]  # what it is, of which file, its bytes, and whether more of the same file follows
Stamp = tuple[int, int, int]

PIECE_BYTES = 4 * files.MIB
_STATUS = "status.json"
_LINES = ("points.jsonl", "events.jsonl", "log.txt")  # as they are put here; they are read the other way round
_STAYS = frozenset((_STATUS, *_LINES, "spec.json", "measurements.jsonl", "annotation.json"))  # no files to be carried
_RESUMED = "checkpoint/"  # how the names of what a run resumes from begin
_DEEPEST = 3  # parts of a file's name


class Outbox:
    """Tells what has changed in a folder since this was made; `translate` is for what is written of paths in texts."""

    def __init__(self, folder: Path, translate: Callable[[bytes], bytes] = lambda text: text) -> None:
        self._folder, self._translate = folder, translate
        self._known = dict(_listing(folder))
        self._ends = {name: _size(folder / name) for name in _LINES}
        self._status = _read(folder / _STATUS)

    def pieces(self, *, last: bool = False) -> Iterator[Piece]:
        """What is new; with `last`, when nobody writes any more, unfinished lines as well."""
        # What is written first is read last: so what a line says is there is among the files, and what a run resumes
        # from is never ahead of its lines. It is put there in the opposite order.
        status = _read(self._folder / _STATUS)
        with ExitStack() as stack:
            listed = dict(_listing(self._folder, _RESUMED))
            resumed = [(name, file) for name in self._news(listed) if (file := self._opened(stack, name, listed))]
            lines = {name: self._new_lines(name, last) for name in reversed(_LINES)}
            listed |= {name: at for name, at in _listing(self._folder) if not name.startswith(_RESUMED)}
            for name in self._news(listed):
                with ExitStack() as one:
                    if file := self._opened(one, name, listed):
                        yield from self._file(name, file)
            for name in _LINES:
                yield from lines[name]
            for name, file in resumed:
                yield from self._file(name, file)
        for name in [name for name in self._known if name not in listed]:
            del self._known[name]
            yield "gone", name, b"", False
        if status is not None and status != self._status:
            self._status = status
            yield "status", _STATUS, self._translate(status), False

    def _news(self, listed: Mapping[str, Stamp]) -> list[str]:
        return [name for name, stamp in listed.items() if self._known.get(name) != stamp]

    def _opened(self, stack: ExitStack, name: str, listed: Mapping[str, Stamp]) -> int | None:
        """The descriptor of a file, which counts as told then; None of one that has gone since."""
        try:
            descriptor = stack.enter_context(files.opened(self._folder / name))
        except FileNotFoundError:
            return None
        self._known[name] = listed[name]
        return descriptor

    def _new_lines(self, name: str, last: bool) -> list[Piece]:
        end = self._ends[name]
        try:
            with files.opened(self._folder / name) as descriptor:
                size = os.fstat(descriptor).st_size
                rewritten = size < end
                end = 0 if rewritten else end
                data = _read_at(descriptor, end, size - end)
        except FileNotFoundError:
            return []
        whole = data if last else data[: data.rfind(b"\n") + 1]
        self._ends[name] = end + len(whole)
        if rewritten:
            return [("file", name, self._translate(whole), False)]
        return [("lines", name, self._translate(whole), False)] if whole else []

    def _file(self, name: str, descriptor: int) -> Iterator[Piece]:
        text = name.endswith(".json")
        size, at = os.fstat(descriptor).st_size, 0
        most = max(size, 1) if text else PIECE_BYTES
        while True:
            data = _read_at(descriptor, at, min(most, size - at))
            at += len(data)
            more = bool(data) and at < size
            yield "file", name, self._translate(data) if text else data, more
            if not more:
                return


class Inbox:
    """Puts the pieces of a run into its folder here; files appear whole or not at all."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: tuple[str, Path, ExitStack] | None = None

    def put(self, pieces: Iterable[Piece]) -> None:
        """WorkError for what the disk refuses, and for what is no piece of a run."""
        for kind, name, data, more in pieces:
            if kind == "status":
                self._put_status(data)
                continue
            path = self._path(name)
            if kind == "gone":
                _remove(path)
                continue
            with as_work_error(path):
                for folder in reversed([each for each in path.parents if self._run.path in each.parents]):
                    files.make_folder(folder)
            if kind == "file":
                self._put_file(name, path, data, more)
            else:
                _append(path, data)
                self._run.tell_change()

    def close(self) -> None:
        """Removes what has come in part."""
        if self._open is not None:
            stack, self._open = self._open[2], None
            error = WorkError("it has come in part")
            with suppress(WorkError):
                stack.__exit__(WorkError, error, None)

    def _put_status(self, data: bytes) -> None:
        place = f"{self._run.path}/{_STATUS}"
        status = Status.from_json(parse_object(data, place, "it"), place)
        self._run.write_status(status)
        if status.state in ENDED:
            self._run.forget_to_cancel()

    def _put_file(self, name: str, path: Path, data: bytes, more: bool) -> None:
        if self._open is None or self._open[0] != name:
            self.close()
            stack = ExitStack()
            self._open = name, stack.enter_context(atomic_write(path)), stack
        part, stack = self._open[1:]
        with as_work_error(path), part.open("ab") as file:
            file.write(data)
        if not more:
            self._open = None
            stack.close()

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or len(parts) > _DEEPEST or any(part.startswith((".", "/")) for part in parts):
            raise WorkError(f"a node has sent a file that is none of a run's: {name[:100]!r}")
        return self._run.path.joinpath(*parts)


def folder_of(run: Run) -> list[tuple[str, bytes]]:
    """All files of a run by name, as a node gets them; lines that a killed process has not finished are cut off."""
    atomic.remove_leftovers(run.path)
    packed = []
    for name in (*(name for name, _ in _listing(run.path)), "spec.json", _STATUS, *_LINES):
        path = run.path / name
        data = _read(path)
        if data is None:
            continue
        if name in _LINES and not data.endswith(b"\n"):
            data = data[: data.rfind(b"\n") + 1]
            with as_work_error(path):
                os.truncate(path, len(data))
        packed.append((name, data))
    return packed


def batches(pieces: Iterable[Piece], most: int = 2 * PIECE_BYTES) -> Iterator[list[Piece]]:
    """Pieces together, of about so many bytes at most."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece[2])
        if size >= most:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def translation(names: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """A function on texts that writes other paths in the place of some; as they are, and as JSON has them."""
    pairs = [(_inside_json(old), _inside_json(new)) for old, new in names.items()]
    pairs += [(old.encode(), new.encode()) for old, new in names.items()]

    def translate(text: bytes) -> bytes:
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return translate


def _inside_json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False)[1:-1].encode(errors="replace")


def _listing(folder: Path, below: str = "") -> Iterator[tuple[str, Stamp]]:
    """The regular files in a folder that are carried whole, by name, and what tells one state from the next."""
    try:
        with os.scandir(folder / below) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        name = below + entry.name
        if entry.name.startswith(".") or name in _STAYS:
            continue
        with suppress(FileNotFoundError):  # it went meanwhile
            state = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                yield from _listing(folder, f"{name}/")
            elif stat.S_ISREG(state.st_mode):
                yield name, (state.st_size, state.st_mtime_ns, state.st_ino)


def _read(path: Path) -> bytes | None:
    try:
        with files.opened(path) as descriptor:
            return _read_at(descriptor, 0, os.fstat(descriptor).st_size)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}") from None


def _read_at(descriptor: int, at: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (chunk := os.pread(descriptor, count - len(data), at + len(data))):
        data += chunk
    return bytes(data)


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _remove(path: Path) -> None:
    """Removes a file, and its folder where that is empty then, as that of what a run resumes from at its end."""
    with as_work_error(path), suppress(FileNotFoundError):
        path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def _append(path: Path, data: bytes) -> None:
    with as_work_error(path), files.opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as descriptor:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
