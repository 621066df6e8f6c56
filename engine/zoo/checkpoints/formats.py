"""Which format a checkpoint has, by its content: what it is called says nothing. No torch."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.storage import archives, files
from engine.units import si
from engine.zoo.checkpoints import archive_files, arrays, streams, tensor_files
from engine.zoo.checkpoints.values import BrokenError, Storage, UnfitError

PLAIN = "give a state dict saved by torch.save, or safetensors"
_START = 512
_TAR = b"ustar"
# Files that stand where weights should, by how they begin.
_OTHERS = (
    (b"\x89HDF\r\n", "are HDF5, as Keras writes it"),
    (b"GGUF", "are GGUF, which holds language models"),
    (b"\x1f\x8b", "are packed by gzip: unpack them"),
    (b"\xfd7zXZ", "are packed by xz: unpack them"),
    (b"7z\xbc\xaf", "are packed by 7-Zip: unpack them"),
    (b"<!doctype html", "are a web page: the download went wrong"),
    (b"<html", "are a web page: the download went wrong"),
    (b"version https://git-lfs", "are Git LFS's placeholder of the file: run `git lfs pull`"),
    (arrays.MAGIC, "are a single array of NumPy's: save an npz archive with an array for each key"),
)


class Numbers(Protocol):
    """Where the numbers of a file's storages are."""

    def read(self, storage: Storage, size: int) -> bytearray:
        """The first `size` bytes of a storage; BrokenError where it has fewer."""
        ...


@dataclass(frozen=True)
class Regions:
    """Storages that lie as they are in an open file."""

    descriptor: int
    regions: Mapping[str, streams.Region]

    def read(self, storage: Storage, size: int) -> bytearray:
        """The first `size` bytes of a storage; BrokenError where it has fewer."""
        start, length = self.regions.get(storage.key, (0, -1))
        data = bytearray(max(0, size)) if size <= length else bytearray()
        view = memoryview(data)
        at = 0
        while at < size and length >= size and (count := os.preadv(self.descriptor, [view[at:]], start + at)):
            at += count
        if at < size or length < size:
            raise BrokenError
        return data


@dataclass(frozen=True)
class Contents:
    """What an open file holds: plain values, tensors by reference, and where their numbers are."""

    value: Any
    numbers: Numbers
    size: int  # bytes of its numbers at most: those of the file, or of what its members inflate to
    metadata: Mapping[str, str] = field(default_factory=dict)  # of safetensors


@contextmanager
def opened(path: Path) -> Iterator[Contents]:
    """What the weights file at `path` holds, while it is open.

    RequestError, of one sentence, for a file that is missing, of no format that is read here, damaged, or larger than
    this machine's memory. What is found unfit inside (UnfitError, BrokenError) becomes one, too.
    """
    shown = as_text(path)
    try:
        with files.opened(path, links=True) as descriptor:
            size = os.fstat(descriptor).st_size
            available = psutil.virtual_memory().available
            if size > available:
                raise RequestError(
                    f"weights {shown} have {si(size, 'B')}, and this machine has {si(available, 'B')} of memory free"
                )
            with _contents(descriptor, size) as contents:
                yield contents
    except UnfitError as error:
        raise RequestError(f"weights {shown} {as_text(error)}; {PLAIN}") from None
    except (BrokenError, archives.DamagedArchiveError, MemoryError):
        raise RequestError(f"weights {shown} are corrupt or no weights file; {PLAIN}") from None
    except FileNotFoundError:
        raise RequestError(f"there is no weights file {shown}") from None
    except OSError as error:
        if path.is_dir():
            raise RequestError(f"weights {shown} is a folder; {PLAIN}") from None
        raise RequestError(f"cannot read weights {shown}: {error.strerror or error}") from None


@contextmanager
def _contents(descriptor: int, size: int) -> Iterator[Contents]:
    start = os.pread(descriptor, _START, 0)
    if start[:4] == b"PK\x03\x04":
        with archives.archive(descriptor) as archive:
            value, members = archive_files.read(archive, size)
            yield Contents(value, members, max(size, members.unpacked))
        return
    for beginning, what in _OTHERS:
        if start.lstrip().lower().startswith(beginning) or start.startswith(beginning):
            raise UnfitError(what)
    if start[:1] == b"\x08" and (b"pytorch" in start[:64] or b"onnx" in start[:64]):
        raise UnfitError("are an ONNX file: give the checkpoint, or the safetensors, that it was exported from")
    if tensor_files.is_one(start):
        value, regions, metadata = tensor_files.read(descriptor, size)
        yield Contents(value, Regions(descriptor, regions), size, metadata=metadata)
        return
    if start[257:262] == _TAR:
        value, regions = streams.read_tar(descriptor, size)
    else:
        value, regions = streams.read(streams.Window(descriptor, 0, size))
    yield Contents(value, Regions(descriptor, regions), size)


def metadata(path: Path) -> Mapping[str, str]:
    """The metadata of a safetensors file; none of other formats, and none without a file. RequestError: damaged."""
    try:
        with files.opened(path, links=True) as descriptor:
            if not tensor_files.is_one(os.pread(descriptor, _START, 0)):
                return {}
            return tensor_files.read(descriptor, os.fstat(descriptor).st_size)[2]
    except BrokenError:
        raise RequestError(f"weights {as_text(path)} are corrupt or no weights file; {PLAIN}") from None
    except (OSError, ValueError):  # whoever reads the weights says so
        return {}
