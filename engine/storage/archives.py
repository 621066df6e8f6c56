"""Zip archives that strangers made: listed cheaply, and inflated only as far as somebody reads. No torch."""

import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from engine.storage.files import MIB

MOST_MEMBERS = 20_000
_MOST_LISTED = 200  # bytes of the list of members for each of them, which takes half of it
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LEAST_READ = 4096  # compressed bytes that zipfile reads at once, at least
_ENCRYPTED = 1  # the flag's bit
# What zipfile and the decompressors raise on a file that is none, or not a whole one.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    LookupError,
    RuntimeError,  # a method that zipfile has not is one, too
)


class DamagedArchiveError(Exception):
    """What is wrong with an archive or a member of it, in words that follow its name: "is encrypted"."""


class NoArchiveError(DamagedArchiveError):
    """A file is no zip archive, or one that is cut off."""


class Archive:
    """The members of a zip archive by name; a name stands there once."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self.members: dict[str, zipfile.ZipInfo] = {}
        for member in file.infolist():
            if member.filename in self.members:
                raise DamagedArchiveError("names a member twice")
            self.members[member.filename] = member

    @contextmanager
    def reader(self, name: str) -> Iterator["Reader"]:
        """A member's contents from their beginning; DamagedArchiveError where they cannot be inflated."""
        member = self.members[name]
        if member.flag_bits & _ENCRYPTED:
            raise DamagedArchiveError("is encrypted")
        if member.compress_type not in _METHODS:
            raise DamagedArchiveError(f"is compressed by a method (number {member.compress_type}) that is not known")
        with _as_damage(), self._file.open(member) as stream:
            # bzip2 and LZMA inflate all that was read of the file, however few bytes are asked for.
            bounded = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            yield Reader(stream, MIB if bounded else _LEAST_READ)


class Reader:
    """The contents of a member, a little at a time."""

    def __init__(self, stream: IO[bytes], chunk: int) -> None:
        self._stream, self._chunk = stream, chunk

    def read(self, most: int) -> bytes:
        """The next bytes, `most` of them where there are as many."""
        data = bytearray()
        while len(data) < most and (chunk := self._next(most - len(data))):
            data += chunk
        return bytes(data)

    def fill(self, buffer: memoryview) -> None:
        """Fills a buffer of bytes with all that is left, and checks the sum; DamagedArchiveError where that differs."""
        at = 0
        while chunk := self._next(len(buffer) - at + 1):
            if at + len(chunk) > len(buffer):
                raise DamagedArchiveError("holds more than its header says")
            buffer[at : at + len(chunk)] = chunk
            at += len(chunk)
        if at < len(buffer):
            raise DamagedArchiveError("is cut off or damaged")

    def _next(self, most: int) -> bytes:
        with _as_damage():
            return self._stream.read(min(most, self._chunk))


@contextmanager
def archive(descriptor: int, most: int = MOST_MEMBERS) -> Iterator[Archive]:
    """The zip archive in a regular file that is open.

    DamagedArchiveError when it is none, or has more than `most` members.
    """
    with _SmallReads(io.FileIO(os.dup(descriptor), "rb"), most * _MOST_LISTED) as file:
        try:
            listing = zipfile.ZipFile(file)
        except (*_BROKEN, MemoryError):
            raise NoArchiveError("is not a zip archive, or it is cut off") from None
        with listing:
            if len(listing.infolist()) > most:
                raise DamagedArchiveError(f"has more than {most:,} members")
            yield Archive(listing)


class _SmallReads(io.BufferedReader):
    """A file of which nobody reads much at once: zipfile takes the list of members at whatever size it says."""

    def __init__(self, raw: io.FileIO, most: int) -> None:
        super().__init__(raw)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        most = self._most + 1 if size is None or size < 0 else size
        if most > self._most + 1:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(most)


@contextmanager
def _as_damage() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise DamagedArchiveError("does not fit in this machine's memory") from None
    except _BROKEN:
        raise DamagedArchiveError("is cut off or damaged") from None
