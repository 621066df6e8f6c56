"""What the folder of a job is called and holds, before anything in it is read. No torch."""

import calendar
import os
import time
from collections.abc import Iterator
from pathlib import Path

from engine.storage import files

LOCK = ".lock"  # who works on the job
_FILES = (
    *("spec.json", "status.json", "env.json", "points.jsonl", "events.jsonl", "measurements.jsonl", "log.txt"),
    *("test.json", "measured.json", "landscape.json", "annotation.json", LOCK, ".cancel"),
)
_FOLDERS = ("models", "checkpoint", "samples", "layers")


def odd_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """What is in the place of one of a job's files and folders and is none, such as a link, and what it is."""
    try:
        with os.scandir(folder) as entries:
            odd = [entry.name for entry in entries if _is_odd(entry)]
    except OSError:
        return  # nobody may look, or it is no folder
    for path in (folder / name for name in (*_FILES, *_FOLDERS) if name in odd):
        yield path, files.kind_of(path) or "a file"


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
