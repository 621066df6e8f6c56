"""What a process of the dashboard's takes for each of its steps, in processor seconds.

A clock on the wall says of a busy machine what it likes, and a processor's time nearly nothing of it.
"""

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from app.tables import board_columns, points, selection
from app.tables import store as tables
from engine.statistics import fronts
from engine.storage.folders.run import Run
from engine.storage.store import Store

QUESTION = "reading, one run changed"  # which the rivals answer, too
# Seconds, and GB at last, that ten thousand runs may take, and a hundred thousand.
LIMITS = {
    "index from nothing": (4.0, 40.0),
    QUESTION: (0.1, 0.6),
    "front of four objectives": (0.010, 0.060),
    "filter": (0.5, 1.5),
    "script of Explore": (0.4, 2.0),
    "memory": (0.6, 2.5),
}
_TRIES = 5
_COSTS = ["macs", "params", "latency"]
_MAIN = Path(__file__).parents[2] / "app" / "main.py"
_NEXT = 1_000_000_000  # the number of a run that no folder has yet


def index(root: Path) -> dict[str, float]:
    """The index from nothing, in a process that does nothing else."""
    for file in root.glob("index.sqlite*"):
        file.unlink()
    return {"index from nothing": _seconds(Store(root, gallery=root / "gallery").token)}


def steps(root: Path) -> dict[str, float]:
    """Each step of the dashboard on an index that is there, and its memory in the end."""
    os.environ["ESPALIER_RESULTS"] = str(root)
    patch.object(tables, "Store", functools.partial(Store, gallery=root / "gallery")).start()
    run = _own_run(root)
    figures = {"first reading": _seconds(_read)}
    figures[QUESTION] = _least(_read, before=lambda: run.update(message=f"at {time.time()}"))
    frame = _read()
    timed = points.with_latency(frame, points.host_conditions(frame)[0])
    objectives = timed[_COSTS].assign(error=1 - timed["top1"]).to_numpy()
    figures["front of four objectives"] = _least(lambda: fronts.pareto_front(objectives))
    figures["filter"] = _least(lambda: _filtered(frame))
    figures["script of Explore"] = _page()
    figures["memory"] = psutil.Process().memory_info().rss / 1e9
    return figures


def _read() -> Any:
    return tables.points(tables.settled_token())


def _own_run(root: Path) -> Run:
    """A run that may be changed: the last one that was written."""
    store = Store(root, gallery=root / "gallery")
    return store.run(max(head.job_id for head in store.heads().values()))


def _filtered(frame: Any) -> Any:
    """Of one criterion and one network what the chart needs: the points with latencies, and the front."""
    chosen = frame[frame["criterion"].isin(["l1", "taylor"]) & frame["model"].isin(["resnet56"])]
    view = points.with_latency(selection.select(chosen, before=False, steps=False), points.host_conditions(chosen)[0])
    view = board_columns.with_board(view, None).dropna(subset=["macs", "top1"])
    return selection.front(view, "macs", "top1", y_better="high")


def _page() -> float:
    """The page from its first line to its last, once it was shown."""
    manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)
    test = AppTest.from_file(str(_MAIN), default_timeout=600)
    test.run()
    if test.exception:
        raise RuntimeError(test.exception[0].message)
    return _least(test.run, tries=3)


def _least(what: Callable[[], Any], *, before: Callable[[], Any] = lambda: None, tries: int = _TRIES) -> float:
    """The fewest seconds of some tries, each after something that is not counted."""
    seconds = []
    for _ in range(tries):
        before()
        seconds.append(_seconds(what))
    return min(seconds)


def _seconds(what: Callable[[], Any]) -> float:
    started = time.process_time()
    what()
    return time.process_time() - started
