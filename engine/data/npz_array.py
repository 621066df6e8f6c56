"""The arrays of a NumPy archive: headers before contents, and contents only where they fit. No torch.

Never unpickles, and inflates no more than a header says.
"""

from __future__ import annotations

import io
import math
import os
import struct
import tokenize
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.storage import archives, files

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_LONGEST_HEADER = 4096  # bytes; one of images has 118
_MOST_NUMBERS = 2**48  # in an array; and the longest that a side may be
_PLAUSIBLE = 1 << 26  # bytes of images that may compress to anything, such as a test's zeros
_BEST_RATIO = 100  # how far compressing shrinks a data set of images, and then some
# What NumPy raises on a header that is none: it is read as a Python literal.
_BROKEN = (
    ValueError,
    SyntaxError,
    tokenize.TokenError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    struct.error,
)


@dataclass(frozen=True)
class Header:
    """What an array is, by the first bytes of its member."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool  # the first index runs fastest
    offset: int  # bytes before the numbers

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Arrays:
    """The arrays in an npz archive by key."""

    path: Path
    archive: archives.Archive

    @property
    def keys(self) -> list[str]:
        return [name.removesuffix(".npy") for name in self.archive.members]

    def header(self, key: str) -> Header:
        """The header of one array; RequestError where there is none, or where the member does not fit it."""
        with self._reader(key) as reader:
            header = _parse(key, reader.read(_LONGEST_HEADER))
            if header is None:
                raise archives.DamagedArchiveError("is cut off or damaged")
        if header.dtype.hasobject:
            raise RequestError(
                f"npz {as_text(self.path)}: {key} is an array of objects, which are never unpickled; save numbers"
            )
        return header

    def check_size(self, header: Header) -> None:
        """RequestError where a member has another size than its header says, or can hardly hold so much."""
        member = self._member(header.key)
        if member.file_size != header.offset + header.size:
            raise RequestError(
                f"npz {as_text(self.path)}: {header.key} is cut off or damaged: its header names {header.size:,} bytes "
                f"and it has {max(0, member.file_size - header.offset):,}"
            )
        if header.size > max(_PLAUSIBLE, _BEST_RATIO * member.compress_size):
            raise RequestError(
                f"npz {as_text(self.path)}: {header.key} would become {header.size:,} bytes of the "
                f"{member.compress_size:,} in the file, which is no archive of images"
            )

    def read(self, header: Header) -> Array:
        """The numbers of an array of plain numbers."""
        import numpy as np

        with self._reader(header.key) as reader:
            reader.read(header.offset)
            try:
                flat = np.empty(math.prod(header.shape), header.dtype)
            except MemoryError:
                raise archives.DamagedArchiveError("does not fit in this machine's memory") from None
            reader.fill(memoryview(flat.view(np.uint8)))  # type: ignore[arg-type]  # an array is a buffer
        return flat.reshape(header.shape, order="F" if header.fortran else "C")

    def listing(self) -> str:
        """The keys, as a sentence may name them."""
        shown = ", ".join(as_text(key) for key in self.keys[:12])
        return f"{shown}, …" if len(self.keys) > 12 else shown or "nothing"

    @contextmanager
    def _reader(self, key: str) -> Iterator[archives.Reader]:
        try:
            with self.archive.reader(self._member(key).filename) as reader:
                yield reader
        except archives.DamagedArchiveError as error:
            raise RequestError(f"npz {as_text(self.path)}: {key} {error}") from None

    def _member(self, key: str) -> zipfile.ZipInfo:
        members = self.archive.members
        if key not in self.keys:
            raise RequestError(f"npz {as_text(self.path)} lacks {key}; it holds {self.listing()}")
        return members.get(f"{key}.npy") or members[key]


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays in the npz archive at a path; RequestError when there is none."""
    try:
        with files.opened(path, links=True) as descriptor:
            if _parse("", os.pread(descriptor, _LONGEST_HEADER, 0)) is not None:
                raise RequestError(f"{as_text(path)} is a single array; an npz archive of named arrays is needed")
            with archives.archive(descriptor) as archive:
                yield Arrays(path, archive)
    except FileNotFoundError:
        raise RequestError(f"there is no npz file {as_text(path)}") from None
    except archives.NoArchiveError:
        raise RequestError(f"{as_text(path)} is not an npz archive, or it is cut off") from None
    except archives.DamagedArchiveError as error:
        raise RequestError(f"npz {as_text(path)} {error}") from None
    except OSError as error:
        if path.is_dir():
            raise RequestError(f"npz {as_text(path)} is a folder; write folder:PATH for an image folder") from None
        raise RequestError(f"cannot read npz {as_text(path)}: {error.strerror or error}") from None


def _parse(key: str, start: bytes) -> Header | None:
    """The header at the start of an array's file; None when there is none that makes sense."""
    from numpy.lib import format as npy

    stream = io.BytesIO(start)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        with warnings.catch_warnings(action="ignore"):  # of the parser, on what it refuses
            shape, fortran, dtype = readers[npy.read_magic(stream)](stream, max_header_size=_LONGEST_HEADER)
    except _BROKEN:
        return None
    if min(shape, default=0) < 0 or max((*shape, math.prod(n or 1 for n in shape))) > _MOST_NUMBERS:
        return None
    return Header(key, tuple(int(n) for n in shape), dtype, fortran, stream.tell())
