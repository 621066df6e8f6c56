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
    for names, expected in ((_FILES, None), (_FOLDERS, "a folder")):
        for path in (folder / name for name in names):
            if os.path.lexists(path) and (kind := files.kind_of(path)) != expected:
                yield path, kind or "a file"


def time_in(job_id: str) -> float:
    """The Unix second that an id begins with; 0 where it begins with none."""
    try:
        return float(calendar.timegm(time.strptime(job_id[:15], "%Y%m%d-%H%M%S")))
    except ValueError:
        return 0.0
