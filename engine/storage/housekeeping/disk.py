"""What runs take on the disk, and which of it can be made again. No torch."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from engine.errors import RequestError, WorkError
from engine.spec.ids import RUN_ID
from engine.storage import directories, files
from engine.storage.atomic import as_work_error
from engine.storage.cache.cache import Cache
from engine.storage.folders.run import Run
from engine.storage.housekeeping import under_way
from engine.storage.records.status import ENDED
from engine.storage.store import Store

Kind = Literal["ONNX files", "weights", "plans and the rest", "deleted runs", "uploads", "what runs share"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_ONNX = re.compile(r"p[0-9]+\.onnx(\.data)?")
_WEIGHTS = re.compile(r"p[0-9]+\.safetensors")
_RUN = re.compile(RUN_ID)


@dataclass(frozen=True)
class Cleaning:
    """Files that can be made again, by the run that they are of, and how many bytes they take."""

    files: dict[str, tuple[Path, ...]]
    bytes: int

    @property
    def count(self) -> int:
        """How many files there are."""
        return sum(map(len, self.files.values()))


def size(folder: Path) -> int:
    """The bytes of everything in a folder, without following links; 0 for one that is not there."""
    return sum(bytes_of for _, bytes_of in _files(folder)) if files.kind_of(folder) == "a folder" else 0


def sizes(store: Store) -> dict[Kind, int]:
    """The bytes of all that the user's jobs hold, by what they are of; of uploads and of the cache, too."""
    counted: Counter[Kind] = Counter({"what runs share": Cache(store.root).usage()[1]})
    for parent in store.folders:
        for path, bytes_of in _files(parent):
            counted[_kind(path, parent)] += bytes_of
    counted["uploads"] = size(directories.uploads(store.root))
    return {kind: counted[kind] for kind in KINDS}


def cleaning(store: Store, *, weights: bool = False) -> Cleaning:
    """What can go of the runs that are done: the ONNX files of their points and, with `weights`, their weights.

    `espalier export` makes an ONNX file again from the weights; these come back only when the run is done again. What
    a job that has not ended still needs stays: the runs that it goes on from, and those of which it times points. While
    a sweep is under way all weights stay, as runs that it has not begun may go on from them.
    """
    weights = weights and not under_way.is_sweep(store.root)
    needed = _needed(store)
    found: dict[str, tuple[Path, ...]] = {}
    total = 0
    for entry in store.runs():
        if entry["gallery"] or entry["state"] != "done" or entry["run_id"] in needed:
            continue
        sized = list(_removable(store.folder / entry["run_id"] / "models", weights=weights))
        if sized:
            found[entry["run_id"]] = tuple(path for path, _ in sized)
            total += sum(bytes_of for _, bytes_of in sized)
    return Cleaning(found, total)


def clean(store: Store, planned: Cleaning) -> Cleaning:
    """Removes what was planned, as far as it is there; what was removed. A run that is worked on by now stays whole."""
    removed: dict[str, tuple[Path, ...]] = {}
    total = 0
    for run_id, paths in planned.files.items():
        with suppress(RequestError), _done(store, run_id).lock.holding() as acquired:
            if not acquired:
                continue
            gone = [(path, bytes_of) for path in paths if (bytes_of := _remove(path)) is not None]
            removed[run_id] = tuple(path for path, _ in gone)
            total += sum(bytes_of for _, bytes_of in gone)
            with as_work_error(store.folder / run_id):
                os.utime(store.folder / run_id)  # by which whoever keeps lists of its files sees that they changed
            store.run(run_id).tell_change()
    return Cleaning(removed, total)


def _done(store: Store, run_id: str) -> Run:
    """A run that is still there and done; RequestError for any other."""
    run = store.run(run_id)
    try:
        state = run.status().state
    except WorkError:
        raise RequestError(f"{run_id} is damaged") from None
    if run.gallery or state != "done":
        raise RequestError(f"{run_id} is not done")
    return run


def _needed(store: Store) -> set[str]:
    """The runs that jobs which have not ended go on from, or time."""
    needed: set[str] = set()
    for run in store.runs():
        named = _RUN.search(str(run["weights"]))  # as RUN:POINT, or in a path
        if named is not None and run["state"] != "done":
            needed.add(named[0])
    for timing in store.timings():
        if timing["state"] not in ENDED:
            needed |= {point["run"] for point in timing["points"]}
    return needed


def _removable(models: Path, *, weights: bool) -> Iterator[tuple[Path, int]]:
    for path, bytes_of in _files(models) if files.kind_of(models) == "a folder" else ():
        if path.parent == models and (_ONNX.fullmatch(path.name) or (weights and _WEIGHTS.fullmatch(path.name))):
            yield path, bytes_of


def _remove(path: Path) -> int | None:
    """The bytes of a file that was removed; None where it is gone already."""
    with as_work_error(path):
        try:
            bytes_of = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            return None
    return bytes_of


def _kind(path: Path, parent: Path) -> Kind:
    if path.relative_to(parent).parts[0].startswith("."):
        return "deleted runs"
    if path.parent.name == "models" and _ONNX.fullmatch(path.name):
        return "ONNX files"
    is_weights = path.suffix == ".safetensors"
    return "weights" if is_weights else "plans and the rest"


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file below a folder with its bytes; nothing below a link, and nothing where one may not look."""
    for entry in _entries(folder):
        with suppress(FileNotFoundError):
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield Path(entry.path), entry.stat(follow_symlinks=False).st_size


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return ()
