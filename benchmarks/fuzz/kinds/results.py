"""A small results folder of valid files, to be damaged: runs that ended, one that was lost, and a timing on a board."""

import json
from pathlib import Path
from typing import Any

from engine.spec import board_timing
from engine.storage import atomic
from engine.storage.records.event import TurnEvent
from engine.storage.records.status import Status
from engine.storage.store import GALLERY, Store
from tests.support import runs as valid_runs

HEALTHY, DAMAGED, TIMING = "20260101-000000-00000001", "20260102-000000-00000002", "20260103-000000-00000003"
Lines = list[dict[str, Any]]
Documents = dict[str, dict[str, Any] | Lines]  # what a job folder holds, by file name


def run_documents(state: str = "done") -> Documents:
    """The files of a run with three points, one of them timed on a board, that stands so."""
    source = sorted(GALLERY.iterdir())[0]
    documents = {name: atomic.read_json(source / name) for name in ("spec.json", "status.json", "env.json")}
    documents["status.json"] |= {"state": state, "foreground": False}
    events = atomic.read_lines(source / "events.jsonl")
    kinds = {event["kind"]: event for event in events}
    of_step = valid_runs.attempts("layers", 0.8, 1, ("layer2.1", "layer3.1"))
    attempts = {"t": 1795241600.0, "kind": "attempts", **of_step}
    return {
        **documents,
        "points.jsonl": atomic.read_lines(source / "points.jsonl")[:3],
        "events.jsonl": [*kinds.values(), attempts],
        "measurements.jsonl": [valid_runs.timing(1).to_json(), valid_runs.timing(2).to_json()],
    }


def timing_documents() -> Documents:
    """The files of a timing that waits for its board and has had a turn."""
    request = board_timing.parse({"device": "tx2", "points": [{"run": HEALTHY, "point": 1}]})
    turn = TurnEvent(model=f"{HEALTHY}.1", round=1, n=100, p50_ms=3.0)
    return {
        "spec.json": request.model_dump(mode="json"),
        "status.json": Status.queued(1795241544.0, foreground=False, group=request.digest()).to_json(),
        "events.jsonl": [{"t": 1795241600.0, "kind": "turn", **turn.to_json()}],
        "measured.json": {"measurements": [valid_runs.timing(1, run=HEALTHY).to_json()]},
    }


def write(folder: Path, documents: Documents) -> None:
    """Makes a job folder."""
    folder.mkdir(parents=True)
    for name, document in documents.items():
        lines = document if isinstance(document, list) else [document]
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def make(root: Path, state: str = "done") -> Store:
    """The results folder in `root`, its gallery beside it: three jobs, none of them damaged yet."""
    write(root / "results" / "runs" / HEALTHY, run_documents())
    write(root / "results" / "runs" / DAMAGED, run_documents(state))
    write(root / "results" / "timings" / TIMING, timing_documents())
    (root / "gallery").mkdir()
    return Store(root / "results", gallery=root / "gallery")
