"""Which entries of an archive of images are unpacked, and where to; what else it holds is refused. No torch.

What is refused is a DamagedArchiveError, in words that follow the archive's name.
"""

import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine.data.folder import SPLITS
from engine.data.images.listing import is_hidden, is_image
from engine.spec.messages import quote
from engine.storage.archives import DamagedArchiveError
from engine.storage.files import MIB
from engine.uploads.limits import DEEPEST, LONGEST_PART, MOST_RATIO, MOST_UNPACKED, PLAUSIBLE

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".jar", ".npz")
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # an entry, strongly, and the list of entries
_SPLITS = {name for names in SPLITS.values() for name in names}


@dataclass(frozen=True)
class Entry:
    """A file in an archive, and the path that it gets: its folders, and its own name."""

    name: str
    parts: tuple[str, ...]


def choose(members: Mapping[str, zipfile.ZipInfo]) -> list[Entry]:
    """The images of an archive, below the folder of splits or classes; a folder around everything is taken off.

    What an operating system put among them is left out. Refused is whatever is no image in a class folder, would lie
    elsewhere or twice, or becomes far more than the archive.
    """
    entries: list[Entry] = []
    for name, member in members.items():
        _check_path(member.orig_filename)
        _check_kind(member)
        parts = tuple(name.rstrip("/").split("/"))
        if not member.is_dir() and not any(map(is_hidden, parts)):
            _check_image(name)
            entries.append(Entry(name, parts))
    if not entries:
        raise DamagedArchiveError("holds no image")
    _check_sizes([members[entry.name] for entry in entries])
    entries = _unwrapped(entries)
    for entry in entries:
        if len(entry.parts) < (3 if entry.parts[0].lower() in _SPLITS else 2):
            raise DamagedArchiveError(f"holds {quote(entry.name)}, which lies in no class folder")
    _check_collisions(entries)
    return entries


def _check_path(name: str) -> None:
    """That a name leads to a place inside, and is one that any disk and any screen can have."""
    parts = name.removesuffix("/").split("/")
    if not name.isprintable():
        raise DamagedArchiveError(f"holds {quote(name)}, which is no line of text")
    if name.startswith("/") or _DRIVE.match(name):
        raise DamagedArchiveError(f"holds {quote(name)}, which is an absolute path")
    if ".." in parts:
        raise DamagedArchiveError(f"holds {quote(name)}, which leads out of it")
    if "\\" in name or not all(part.strip(". ") for part in parts):
        raise DamagedArchiveError(f"holds {quote(name)}, which is no path of folders and a file with / between them")
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST_PART for part in parts):
        raise DamagedArchiveError(
            f"holds {quote(name)}, which is deeper than {DEEPEST} folders, or has a name of over {LONGEST_PART} bytes"
        )


def _check_kind(member: zipfile.ZipInfo) -> None:
    """That an entry is a plain file or a folder, and readable."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG):
        what = "a link" if kind == stat.S_IFLNK else "no regular file"
        raise DamagedArchiveError(f"holds {quote(member.filename)}, which is {what}")
    if member.flag_bits & _ENCRYPTED:
        raise DamagedArchiveError(f"holds {quote(member.filename)}, which is encrypted")


def _check_image(name: str) -> None:
    if name.lower().endswith(_ARCHIVES):
        raise DamagedArchiveError(f"holds {quote(name)}, which is an archive itself")
    if not is_image(name):
        raise DamagedArchiveError(f"holds {quote(name)}, which is no image")


def _check_sizes(members: Iterable[zipfile.ZipInfo]) -> None:
    """That what is unpacked is neither very much nor far more than images come to."""
    unpacked = packed = 0
    for member in members:
        unpacked, packed = unpacked + member.file_size, packed + member.compress_size
    if unpacked > MOST_UNPACKED:
        raise DamagedArchiveError(
            f"would become {unpacked // MIB:,} MB, and at most {MOST_UNPACKED // MIB:,} MB are unpacked"
        )
    if unpacked > max(PLAUSIBLE, MOST_RATIO * packed):
        raise DamagedArchiveError(
            f"would become {unpacked // MIB:,} MB, more than {MOST_RATIO} times what they take in it"
        )


def _unwrapped(entries: list[Entry]) -> list[Entry]:
    """Without the folders around everything, as far as class folders, or splits, are left."""
    while all(len(entry.parts) > 2 for entry in entries):
        tops = {entry.parts[0] for entry in entries}
        if len(tops) > 1 or tops.pop().lower() in _SPLITS:
            return entries
        entries = [replace(entry, parts=entry.parts[1:]) for entry in entries]
    return entries


def _check_collisions(entries: Iterable[Entry]) -> None:
    """That no two paths are one where capitals, or ways to write an accent, make no difference."""
    known: dict[str, tuple[str, bool]] = {}
    for entry in entries:
        for depth in range(1, len(entry.parts) + 1):
            path, is_file = "/".join(entry.parts[:depth]), depth == len(entry.parts)
            other, was_file = known.setdefault(_folded(path), (path, is_file))
            if other != path or was_file != is_file:
                raise DamagedArchiveError(f"holds {quote(other)} and {quote(path)}, which are one path to some disks")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
