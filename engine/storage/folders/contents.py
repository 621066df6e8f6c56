"""What the folder of a job is called and holds, before anything in it is read. No torch."""

import calendar
import os
import time
from collections.abc import Collection, Iterator, Set
from contextlib import contextmanager
from pathlib import Path

from engine.storage import files
from engine.storage.atomic import as_work_error

LOCK = ".lock"  # who works on the job
CANCEL_MARK = ".cancel"  # is there where the job is to be cancelled
LOG = "log.txt"
_SMALL = 1 << 16  # bytes of a file that is read as a whole
_FILES = dict.fromkeys((
    *("spec.json", "status.json", "env.json", "points.jsonl", "events.jsonl", "measurements.jsonl", LOG),
    *("test.json", "measured.json", "landscape.json", "annotation.json", LOCK, CANCEL_MARK),
))  # fmt: skip
_FOLDERS = dict.fromkeys(("models", "checkpoint", "samples", "layers"))


class Held:
    """A job's folder that is held by its `descriptor`: its `state` before it was listed, and what was in it then.

    `odd` are those of the `names` that are in the place of a file or folder of a job's and are none. Of the files that
    were asked for and are small, `small` has the state once they were read, and all that they held then.
    """

    __slots__ = ("_asked", "descriptor", "names", "odd", "small", "state")

    def __init__(self, descriptor: int, ask_for: Collection[str]) -> None:
        self.descriptor = descriptor
        self.state = os.fstat(descriptor)
        with os.scandir(descriptor) as entries:
            found = {entry.name: entry for entry in entries}
        self.names: Set[str] = found.keys()
        self.odd = frozenset([name for name, entry in found.items() if _is_odd(entry)])
        self._asked = {name: files.ask_for(descriptor, name) for name in ask_for if name in found}
        self.small: dict[str, tuple[os.stat_result, bytes]] = {}

    def read_small(self) -> None:
        """Reads the files that were asked for."""
        while self._asked:
            name, file = self._asked.popitem()
            found = None if file is None else files.read_small(file, _SMALL)
            if found is not None:
                self.small[name] = found

    def close(self) -> None:
        """Lets go of it."""
        for file in self._asked.values():
            if file is not None:
                os.close(file)
        os.close(self.descriptor)


def hold(folder: Path, ask_for: Collection[str] = ()) -> Held | None:
    """A job's folder, opened and listed, and some of its files asked for, for whoever closes it.

    None of one that cannot be; whoever reads a file of it is told why.
    """
    try:
        descriptor = files.open_folder(folder)
    except OSError:
        return None
    try:
        return Held(descriptor, ask_for)
    except OSError:
        os.close(descriptor)
        return None


@contextmanager
def opened_log(folder: Path) -> Iterator[int]:
    """The descriptor of a job's log, to append to; what cannot be written inside is a WorkError."""
    path = folder / LOG
    with as_work_error(path), files.opened(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as descriptor:
        yield descriptor


def odd_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """What is in the place of one of a job's files and folders and is none, such as a link, and what it is."""
    try:
        with os.scandir(folder) as entries:
            odd = [entry.name for entry in entries if _is_odd(entry)]
    except OSError:
        return  # nobody may look, or it is no folder
    for name in filter(odd.__contains__, (*_FILES, *_FOLDERS)):
        yield folder / name, files.kind_of(folder / name) or "a file"


def _is_odd(entry: os.DirEntry[str]) -> bool:
    if entry.name in _FILES:
        return not entry.is_file(follow_symlinks=False)
    return entry.name in _FOLDERS and not entry.is_dir(follow_symlinks=False)


def time_in(job_id: str) -> float:
    """The Unix second that an id begins with; 0 where it begins with none."""
    try:
        return float(calendar.timegm(time.strptime(job_id[:15], "%Y%m%d-%H%M%S")))
    except ValueError:
        return 0.0
