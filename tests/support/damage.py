"""Damages a job folder in the ways that disks, people and strangers do. Test-only."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from engine.storage.folders.job import Job

JOB_FILES = ("status.json", "spec.json", "points.jsonl", "events.jsonl", "env.json", "log.txt", "models")
JOB_FILES += ("measurements.jsonl",)
EVIL = "![x](http://evil.example/x.png) <b>*x*</b> `y` $z$ :red[w] =1+1\n# " + "x" * 5000


def _away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _folder(path: Path) -> None:
    path.mkdir()


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _deep(path: Path) -> None:
    path.write_text('{"a": ' + "[" * 100_000 + "\n")


def _bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" * 1000 + b"\n")


def _surrogate(path: Path) -> None:
    path.write_text('{"kind": "epoch", "stage": "\\ud800"}\n')


def _digits(path: Path) -> None:
    path.write_text('{"point": ' + "9" * 5000 + "}\n")


def _list(path: Path) -> None:
    path.write_text("[]\n")


KINDS: tuple[Callable[[Path], None], ...] = (
    _fifo, _loop, _folder, _endless, _deep, _bytes, _surrogate, _digits, _list,
)  # fmt: skip


def replace(job: Job, name: str, kind: Callable[[Path], None]) -> None:
    """Puts something else in the place of one of the job's files."""
    _away(job.path / name)
    kind(job.path / name)


def change(job: Job, name: str, **values: Any) -> None:
    """Changes values of a JSON file, or of each line of a file of them; `a__b` is the value b in a."""
    path = job.path / name
    lines = path.read_text().splitlines() if name.endswith("l") else [path.read_text()]
    documents = [json.loads(line) for line in lines]
    for document in documents:
        for key, value in values.items():
            *parents, last = key.split("__")
            place = document
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))


def some(names: Sequence[str] = JOB_FILES, each: int = 3) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Files with things to put in their place, `each` of them a file, all of them in turn."""
    kinds = cycle(KINDS)
    return ((name, kind) for name in names for kind in islice(kinds, each))
