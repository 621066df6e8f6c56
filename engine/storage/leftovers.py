"""Folders of jobs on their way in and out, and those of them that killed processes left behind. No torch."""

import shutil
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from engine.errors import WorkError
from engine.storage import files
from engine.storage.folders.contents import LOCK
from engine.storage.locks import Lock

_NEW, _REMOVED = ".new-", ".gone-"
USUAL_AGE = 3600.0  # s, by which whoever made a folder has named or removed it


def new_path(parent: Path) -> Path:
    """A hidden path of its own in `parent`, for a folder that gets its name when all is in it."""
    return parent / f"{_NEW}{uuid.uuid4().hex}"


def removed_name() -> str:
    """A hidden name of its own, for a folder that has lost its name so that what is in it can be removed at leisure."""
    return f"{_REMOVED}{uuid.uuid4().hex}"


def remove(path: Path) -> None:
    """Removes a folder and all in it, or the file or link that is in its place."""
    if files.kind_of(path) == "a folder":
        shutil.rmtree(path)
    else:
        path.unlink()


def find(parents: Iterable[Path], older_than: float = USUAL_AGE) -> list[Path]:
    """What killed processes left: folders that never got their name, or had lost it, `older_than` s ago."""
    return [path for parent in parents for path in _hidden(parent) if _age(path) > older_than and _is_abandoned(path)]


def sweep(parents: Iterable[Path]) -> None:
    """Removes the leftovers."""
    for path in find(parents):
        with suppress(OSError):  # another user's
            remove(path)


def _hidden(parent: Path) -> list[Path]:
    """What in a folder has a name on its way in or out."""
    if not parent.is_dir():
        return []
    return [parent / name for name in files.names_in(parent) if name.startswith((_NEW, _REMOVED))]


def _is_abandoned(path: Path) -> bool:
    """Whether nobody works in a folder; of one that this user may not enter nobody can tell."""
    try:
        return files.kind_of(path / LOCK) is not None or not Lock(path / LOCK).is_taken()
    except WorkError:
        return False


def _age(path: Path) -> float:
    """Seconds since the folder changed; 0 when there is none."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
