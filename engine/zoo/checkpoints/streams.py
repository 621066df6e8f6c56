"""Checkpoints that are one pickle after the other: torch's before 1.6, those in a tar of before 0.2, and plain ones.

No torch.
"""

import io
import os
import struct
from typing import Any

from engine.zoo.checkpoints import pickles, rebuild
from engine.zoo.checkpoints.values import SIZES, BrokenError, Global, Storage, TensorRef, UnfitError, storage_kind

_MAGIC = 0x1950A86A20F9469CFC6C
_BUFFER = 1 << 16  # bytes; also the longest line of a pickle that is text
_MOST_MEMBERS, _BLOCK = 100, 512  # of a tar
_MOST_STORAGES = 100_000
_MOST_SIDES = 64  # of a tensor
Region = tuple[int, int]  # where bytes begin in a file, and how many they are


class Window:
    """Part of an open file, of which nobody reads more than is there, whatever length a pickle says."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor, self._at, self._end = descriptor, start, start + size
        self._buffer, self._buffer_at = b"", start

    def read(self, count: int) -> bytes:
        """The next bytes, as many as there are."""
        count = max(0, min(count, self._end - self._at))
        if count > _BUFFER:
            data = read_at(self._descriptor, self._at, count)
        else:
            offset = self._buffered(count)
            data = self._buffer[offset : offset + count]
        self._at += len(data)
        return data

    def readline(self) -> bytes:
        """The next bytes as far as a line's end, at most 64 KiB of them."""
        offset = self._buffered(_BUFFER)
        line, newline, _ = self._buffer[offset:].partition(b"\n")
        return self.read(min(len(line) + len(newline), self._end - self._at))

    def _buffered(self, count: int) -> int:
        """Where in the buffer the next bytes stand, as many as `count`."""
        offset = self._at - self._buffer_at
        if not 0 <= offset <= len(self._buffer) - count:
            self._buffer, self._buffer_at = os.pread(self._descriptor, _BUFFER, self._at), self._at
            return 0
        return offset

    def place(self) -> int:
        """Where in the file the next byte is."""
        return self._at

    def skip(self, count: int) -> None:
        if not 0 <= count <= self._end - self._at:
            raise BrokenError
        self._at += count

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Whole numbers of that layout, a `struct` one; BrokenError at the end of the file."""
        data = self.read(struct.calcsize(layout))
        if len(data) < struct.calcsize(layout):
            raise BrokenError
        return struct.unpack(layout, data)


def read_at(descriptor: int, start: int, count: int) -> bytes:
    """Bytes of a file, as many as there are."""
    parts = []
    while count and (part := os.pread(descriptor, min(count, 1 << 30), start)):
        parts.append(part)
        start, count = start + len(part), count - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read(window: Window) -> tuple[Any, dict[str, Region]]:
    """The value in a stream of pickles, and where each of its storages lies. A plain pickle is a stream of one."""
    found: dict[str, Storage] = {}
    first = _pickle(window, found)
    if first != _MAGIC:
        if type(first) in (int, float, str, bytes, bool, type(None)):
            raise BrokenError
        return first, {}
    _pickle(window, found)  # the version
    system = _pickle(window, found)
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise UnfitError("were written by a machine whose bytes stand the other way round; save them again on this one")
    value = _pickle(window, found)
    return value, _regions(window, _pickle(window, found), found)


def inner_storage(content: bytes) -> Storage:
    """The storage that torch wrote as a file of its own into a pickle."""
    source = io.BytesIO(content)
    first = pickles.read(source)
    if first != _MAGIC:
        raise BrokenError
    pickles.read(source)
    pickles.read(source)
    storage = pickles.read(source)
    pickles.read(source)
    if not isinstance(storage, Storage):
        raise BrokenError
    start = source.tell() + 8
    size = storage.count * SIZES.get(storage.kind or "uint8", 1)
    return Storage("", storage.kind, storage.count, content[start : start + size])


def read_tar(descriptor: int, size: int) -> tuple[Any, dict[str, Region]]:
    """The same of a tar: its storages, the tensors that are views of them, and the pickle that names those."""
    members = _members(descriptor, size)
    if not {"pickle", "storages", "tensors"} <= members.keys():
        raise BrokenError
    storages, regions = _tar_storages(Window(descriptor, *members["storages"]))
    tensors = _tar_tensors(Window(descriptor, *members["tensors"]), storages)

    def persistent(id_: Any) -> Any:
        key = str(id_)[:100]
        found = tensors.get(key) or storages.get(key)
        return rebuild.persistent(id_) if found is None else found

    return pickles.read(Window(descriptor, *members["pickle"]), persistent), regions


def _members(descriptor: int, size: int) -> dict[str, Region]:
    """The files in a tar by name: their names are short, and what else may stand in one is passed over."""
    found: dict[str, Region] = {}
    at = 0
    for _ in range(_MOST_MEMBERS):
        block = os.pread(descriptor, _BLOCK, at)
        if len(block) < _BLOCK or not block.strip(b"\0"):
            break
        try:
            length = int(block[124:136].strip(b"\0 ") or b"0", 8)
        except ValueError:
            raise BrokenError from None
        if not 0 <= length <= size - at - _BLOCK:
            raise BrokenError
        if block[156:157] in (b"0", b"\0"):
            name = block[:100].rstrip(b"\0").decode("latin-1").removeprefix("./")
            found[name] = (at + _BLOCK, length)
        at += _BLOCK + -(-length // _BLOCK) * _BLOCK
    return found


def _tar_storages(window: Window) -> tuple[dict[str, Storage], dict[str, Region]]:
    storages: dict[str, Storage] = {}
    regions: dict[str, Region] = {}
    for _ in range(_count(window)):
        key, _place, kind = _triple(window)
        if not isinstance(kind, Global):
            raise BrokenError
        name, type_name = str(key)[:100], storage_kind(kind.name)
        region = _region(window, type_name)
        regions[name] = region
        storages[name] = Storage(name, type_name, region[1] // SIZES.get(type_name or "", 1))
    views = pickles.read(window)
    for view in views if isinstance(views, list) else ():
        target, root, start, count = view if isinstance(view, tuple) and len(view) == 4 else (None,) * 4
        base = storages.get(str(root)[:100])
        if base is None or type(start) is not int or type(count) is not int or start < 0:
            raise BrokenError
        storages[str(target)[:100]] = Storage(base.key, base.kind, base.count, start=base.start + start)
    return storages, regions


def _tar_tensors(window: Window, storages: dict[str, Storage]) -> dict[str, TensorRef]:
    tensors: dict[str, TensorRef] = {}
    for _ in range(_count(window)):
        key, storage_key, _kind = _triple(window)
        storage = storages.get(str(storage_key)[:100])
        sides, _ = window.numbers("<ii")
        if storage is None or storage.kind is None or not 0 <= sides <= _MOST_SIDES:
            raise BrokenError
        size, stride = window.numbers(f"<{sides}q"), window.numbers(f"<{sides}q")
        (offset,) = window.numbers("<q")
        if min((*size, *stride, offset)) < 0:
            raise BrokenError
        tensors[str(key)[:100]] = TensorRef(storage, storage.kind, offset + storage.start, size, stride)
    return tensors


def _count(window: Window) -> int:
    count = pickles.read(window)
    if type(count) is not int or not 0 <= count <= _MOST_STORAGES:
        raise BrokenError
    return count


def _triple(window: Window) -> tuple[Any, Any, Any]:
    value = pickles.read(window)
    if not (isinstance(value, tuple) and len(value) == 3):
        raise BrokenError
    return value


def _pickle(window: Window, found: dict[str, Storage]) -> Any:
    def persistent(id_: Any) -> Any:
        value = rebuild.persistent(id_)
        if isinstance(value, Storage):
            if len(found) >= _MOST_STORAGES:
                raise UnfitError(f"hold more than {_MOST_STORAGES:,} storages")
            found.setdefault(value.key, value)
        return value

    return pickles.read(window, persistent)


def _regions(window: Window, keys: Any, found: dict[str, Storage]) -> dict[str, Region]:
    """Where the storages of these keys lie, one after the other; each says first how many numbers it has."""
    if not isinstance(keys, list):
        raise BrokenError
    regions: dict[str, Region] = {}
    for key in keys:
        storage = found.get(str(key)[:100])
        if storage is None:
            raise BrokenError
        regions[storage.key] = _region(window, storage.kind)
        if regions[storage.key][1] < storage.count * SIZES.get(storage.kind or "uint8", 1):
            raise BrokenError
    return regions


def _region(window: Window, kind: str | None) -> Region:
    (count,) = window.numbers("<q")
    size = count * SIZES.get(kind or "uint8", 1)
    region = window.place(), size
    window.skip(size)
    return region
