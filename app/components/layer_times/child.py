"""The process that times a point's layers on this computer: it has the runtime and torch, which the dashboard has not.

One at a time, as two would slow each other down; all sessions of the dashboard see the same one.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from app.tables.store import ROOT, results_root
from engine.errors import RequestError

_MOST_SECONDS = 900.0  # after which a measurement is given up
_MOST_KEPT = 64  # failures
_lock = Lock()


@dataclass(frozen=True)
class Progress:
    """How much is done, 0 to 1, and what goes on."""

    done: float
    what: str


@dataclass(frozen=True)
class Look:
    """How a measurement stands: on its way, or why it failed; neither where there is none (any more)."""

    progress: Progress | None = None
    failure: str | None = None


@dataclass(frozen=True)
class _Going:
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]
    since: float


_Key = tuple[str, str, int]
_going: dict[_Key, _Going] = {}
_failures: dict[_Key, str] = {}


def start(run_id: str, point: int) -> None:
    """Begins to time the layers of a point, unless that is on its way; RequestError while those of another are."""
    key = _key(run_id, point)
    with _lock:
        _settle()
        if key in _going:
            return
        if _going:
            raise RequestError("the layers of another model are being timed; try again when that is done")
        _failures.pop(key, None)
        _going[key] = _begin(run_id, point)


def look(run_id: str, point: int) -> Look:
    """How the measurement of a point stands."""
    key = _key(run_id, point)
    with _lock:
        _settle()
        if key in _going:
            return Look(progress=_progress(_going[key]))
        return Look(failure=_failures.get(key))


def _key(run_id: str, point: int) -> _Key:
    return str(results_root()), run_id, point


def _begin(run_id: str, point: int) -> _Going:
    folder = tempfile.TemporaryDirectory(prefix="espalier-layers-")
    command = ["layers", run_id, "--point", str(point), "--progress-lines", "--json", "--results", str(results_root())]
    output, log = (Path(folder.name) / name for name in ("answer.json", "log.txt"))
    with output.open("wb") as answer, log.open("wb") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=lines,
        )
    return _Going(process, folder, time.monotonic())


def _settle() -> None:
    """Takes note of what has ended."""
    for key, going in list(_going.items()):
        late = time.monotonic() - going.since > _MOST_SECONDS
        if going.process.poll() is None and not late:
            continue
        if late:
            going.process.kill()
        code = going.process.wait()
        del _going[key]
        if code:
            while len(_failures) >= _MOST_KEPT:
                _failures.pop(next(iter(_failures)))
            _failures[key] = _reason(going, late)
        going.folder.cleanup()


def _reason(going: _Going, late: bool) -> str:
    if late:
        return f"timing the layers took longer than {_MOST_SECONDS / 60:.0f} minutes and was given up"
    try:
        return str(json.loads(_text(going, "answer.json"))["error"])
    except (ValueError, LookupError, TypeError):
        return f"the process that timed the layers ended with code {going.process.returncode}; measure again"


def _progress(going: _Going) -> Progress:
    """What its last whole line says."""
    for line in reversed(_text(going, "log.txt").split("\n")[:-1]):
        share, _, what = line.partition(" ")
        try:
            done = float(share)
        except ValueError:  # a line of a library's
            continue
        if what and 0 <= done <= 1:
            return Progress(done, what)
    return Progress(0.0, "starting")


def _text(going: _Going, name: str) -> str:
    return (Path(going.folder.name) / name).read_text(encoding="utf-8", errors="replace")
