"""Which files are the images of a split, and what else lies there. No torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.data.images.pixels import EXTENSIONS
from engine.errors import RequestError
from engine.spec.messages import as_text
from engine.words import count, first_names

_NO_DATA = ("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found", "__pycache__")


@dataclass
class LeftOut:
    """What lies among images and is none of them."""

    hidden: int = 0  # files: of a hidden name or in a folder of one
    others: list[str] = field(default_factory=list)  # names of files of other kinds
    loose: list[str] = field(default_factory=list)  # names of images in no class folder
    irregular: list[str] = field(default_factory=list)  # names of pipes, devices and links to nothing
    loops: int = 0  # links to a folder that they lie in
    again: int = 0  # links to what is in the class already

    def add(self, other: LeftOut) -> None:
        """Count what lies in another place, too."""
        self.hidden += other.hidden
        self.others += other.others
        self.loose += other.loose
        self.irregular += other.irregular
        self.loops += other.loops
        self.again += other.again

    def notes(self) -> Iterator[str]:
        """A sentence for each kind of thing."""
        if self.hidden:
            yield f"{count(self.hidden, 'hidden file')} left out"
        if self.others:
            yield f"{count(len(self.others), 'file')} of other kinds left out: {first_names(self.others)}"
        if self.loose:
            yield f"{count(len(self.loose), 'image')} in no class folder left out: {first_names(self.loose)}"
        if self.irregular:
            yield f"{count(len(self.irregular), 'link')} to nothing or to no regular file left out: " + first_names(
                self.irregular
            )
        if self.loops:
            yield f"{count(self.loops, 'link')} to a folder around it not followed"
        if self.again:
            yield f"{count(self.again, 'link')} to what is in the class already not followed again"


@dataclass(frozen=True)
class Listing:
    """The image files of a split in the order of their classes and paths."""

    files: list[Path]
    labels: list[int]
    real: list[str]  # where each file is, behind all links


def subfolders(folder: Path, left_out: LeftOut) -> list[str]:
    """The names of the folders in a folder, but for hidden ones and links to what is around them."""
    names: list[str] = []
    with _as_request_error(folder):
        real = os.path.realpath(folder)
        with os.scandir(folder) as entries:
            listed = sorted(entry.name for entry in entries)
        for path in (folder / name for name in listed):
            if is_hidden(path.name):
                left_out.hidden += _count_files(path)
            elif not path.is_dir():
                _note_stray(path, left_out, left_out.loose)
            elif path.is_symlink() and _leads_around(path, real):
                left_out.loops += 1
            else:
                names.append(path.name)
    return names


def class_folders(folder: Path, left_out: LeftOut) -> tuple[str, ...]:
    """The class names of one split: its subfolders, sorted as text."""
    names = subfolders(folder, left_out)
    odd = next((name for name in names if not name.isprintable()), None)
    if odd is not None:
        raise RequestError(f"the name of the class folder {as_text(folder / odd)} is no line of text; rename it")
    return tuple(names)


def list_split(folder: Path, classes: tuple[str, ...], left_out: LeftOut) -> Listing:
    """Image files and labels of one split, of which the folders are among `classes`; a class may be without."""
    files: list[Path] = []
    labels: list[int] = []
    real: list[str] = []
    for label, name in enumerate(classes):
        if (folder / name).is_dir():
            with _as_request_error(folder / name):
                found = sorted(_walk(folder / name, left_out))
            files += [path for path, _ in found]
            real += [place for _, place in found]
            labels += [label] * len(found)
    return Listing(files, labels, real)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is the system's or another program's, and no data."""
    return name.startswith(".") or name.lower() in _NO_DATA


def is_image(name: str) -> bool:
    """Whether a file is called as an image is."""
    return Path(name).suffix.lower() in EXTENSIONS


def _walk(folder: Path, left_out: LeftOut) -> Iterator[tuple[Path, str]]:
    """Every image file below a class folder, with its place behind all links.

    A link is followed once, and a file that several links lead to is taken once.
    """
    seen: set[str] = set()
    pending = [(folder, os.path.realpath(folder))]
    while pending:
        path, real = pending.pop()
        if real in seen:
            left_out.again += 1
            continue
        seen.add(real)
        with os.scandir(path) as entries:
            listed = sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
        folders: list[tuple[Path, str]] = []
        for entry in listed:
            inside = path / entry.name
            place = os.path.realpath(inside) if entry.is_symlink() else f"{real}/{entry.name}"
            if is_hidden(entry.name):
                left_out.hidden += _count_files(inside)
            elif _is(entry, inside, Path.is_dir):
                if entry.is_symlink() and _leads_around(inside, real):
                    left_out.loops += 1
                else:
                    folders.append((inside, place))
            elif not (is_image(entry.name) and _is(entry, inside, Path.is_file)):
                _note_stray(inside, left_out, left_out.others)
            elif place in seen:
                left_out.again += 1
            else:
                seen.add(place)
                yield inside, place
        pending += reversed(folders)  # in the order of their names, links last


def _is(entry: os.DirEntry[str], path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether an entry, or what it links to, is of a kind; a link to itself is of none."""
    if entry.is_symlink():
        return kind(path)
    return entry.is_dir() if kind is Path.is_dir else entry.is_file()


def _note_stray(path: Path, left_out: LeftOut, images: list[str]) -> None:
    """Count a file that is no image of a class."""
    name = as_text(path.name)
    if not path.is_file():
        left_out.irregular.append(name)
    elif is_image(path.name):
        images.append(name)
    else:
        left_out.others.append(name)


def _leads_around(link: Path, real: str) -> bool:
    """Whether a link leads to the folder that it lies in, of that real path, or to one around that."""
    target = os.path.realpath(link)
    return real == target or real.startswith(target.rstrip("/") + "/")


def _count_files(path: Path) -> int:
    """How many files a hidden file or folder is, without following links."""
    if path.is_symlink() or not path.is_dir():
        return 1
    return sum(len(files) for _, _, files in os.walk(path))


@contextmanager
def _as_request_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(f"cannot look into {as_text(folder)}: {error.strerror or error}") from None
