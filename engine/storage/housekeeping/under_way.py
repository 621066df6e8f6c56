"""Whether a sweep is under way, which may yet name files in runs that it has not begun. No torch."""

from pathlib import Path

from engine.errors import WorkError
from engine.storage import directories, files
from engine.storage.locks import Lock


def is_sweep(root: Path) -> bool:
    """Whether a process works on any sweep of a results folder; of locks that nobody may read it is taken for so."""
    folder = directories.sweeps(root)
    if not folder.is_dir():
        return False
    try:
        return any(Lock(folder / name).is_taken() for name in files.names_in(folder) if name.endswith(".lock"))
    except (WorkError, OSError):
        return True
