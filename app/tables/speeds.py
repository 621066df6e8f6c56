"""How fast this machine is with a network: measured once by a process of its own, which nobody waits for."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from app.tables.store import ROOT, results_root, stamps
from engine.errors import WorkError
from engine.pipeline.duration.estimate import Speed
from engine.spec.run import RunSpec

_MOST_SECONDS = 300.0  # after which a measurement is given up
_MOST_KEPT = 64
_lock = Lock()  # sessions of the dashboard share what was measured


@dataclass(frozen=True)
class Measured:
    """The speed of this machine with a network, and the images of the splits that the data has itself."""

    speed: Speed
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Look:
    """What there is so far: a measurement, none yet while it goes on, or none at all."""

    measured: Measured | None
    goes_on: bool = False


@dataclass(frozen=True)
class _Asked:
    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]
    since: float


_known: dict[str, Measured | None] = {}
_asked: dict[str, _Asked] = {}


def look(spec: RunSpec, *, may_start: bool = True) -> Look:
    """The speed for the network and the data of a request; a measurement is begun where there is none.

    One at a time, and none while `may_start` is False, as two would slow each other down.
    """
    key = _key(spec)
    with _lock:
        for other in list(_asked):
            _take(other)
        if key in _known:
            return Look(_known[key])
        if key not in _asked and not may_start:
            return Look(None)
        if not _asked:
            _asked[key] = _start(spec)
        return Look(None, goes_on=True)


def give_way() -> None:
    """Ends the measurement that goes on, as a run is about to begin, which both would slow down; it can be asked for
    again.
    """
    with _lock:
        for asked in _asked.values():
            asked.process.kill()
            asked.process.wait()
            asked.folder.cleanup()
        _asked.clear()


def _key(spec: RunSpec) -> str:
    """What a measurement depends on."""
    data = spec.data.model_dump(mode="json", include={"name", "root", "image_size", "labels"})
    return json.dumps([spec.model, data, spec.device, stamps(spec)])


def _start(spec: RunSpec) -> _Asked:
    """The request goes as a file, as what a form names is no word from a terminal."""
    folder = tempfile.TemporaryDirectory(prefix="espalier-speed-")
    request = Path(folder.name) / "spec.json"
    request.write_text(spec.canonical(), encoding="utf-8")
    command = ["estimate", "--spec", str(request), "--name-field", "--json", "--results", str(results_root())]
    with (Path(folder.name) / "answer.json").open("wb") as answer:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.DEVNULL,
        )
    return _Asked(process, folder, time.monotonic())


def _take(key: str) -> None:
    """Takes what a process answered, once it has ended."""
    asked = _asked[key]
    if asked.process.poll() is None:
        if time.monotonic() - asked.since < _MOST_SECONDS:
            return
        asked.process.kill()
        asked.process.wait()
    text = (Path(asked.folder.name) / "answer.json").read_text(encoding="utf-8")
    asked.folder.cleanup()
    del _asked[key]
    while len(_known) >= _MOST_KEPT:
        _known.pop(next(iter(_known)))
    _known[key] = _read(text)


def _read(answer: str) -> Measured | None:
    """What is wrong with a request is said elsewhere on the page; here there is no measurement then."""
    try:
        document = json.loads(answer)
        return Measured(Speed.from_json(document["speed"]), {str(k): int(v) for k, v in document["counts"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, WorkError):
        return None
