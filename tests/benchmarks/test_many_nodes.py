"""The simulation of many nodes does what a sweep does, and says where a limit is missed."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.many_nodes.__main__ import measure, missed
from benchmarks.many_nodes.grid import NAME, raw
from engine.storage.records.event import EndEvent, PointEvent
from engine.storage.store import Store


def test_every_run_of_the_grid_is_worked_on_once_by_a_node_that_writes_what_a_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Streamlit's AppTest leaves the dashboard's script there, which each new process would run.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    figures = measure(tmp_path, raw(1, ratios=1, shares=1), 3, look=False, again=False)
    assert figures["runs"] == figures["done"] == figures["folders"] == figures["pace"][-1]["ended"] == 10
    store = Store(tmp_path)
    rows = [row for row in store.runs() if row["experiment"] == NAME]
    assert {(row["state"], row["points"], row["host"]) for row in rows} == {("done", 2, "a simulated node")}
    runs = [store.run(row["run_id"]) for row in rows]
    assert {(len(run.events(PointEvent)), len(run.events(EndEvent)), run.lock.is_taken()) for run in runs} == {
        (2, 1, False)
    }


def test_what_misses_a_limit_is_named() -> None:
    page = {"seconds": {"median": 0.9, "slowest": 1.6}}
    good: dict[str, Any] = {
        "runs": 10,
        "done": 10,
        "folders": 10,
        "runs_a_second": 51.0,
        "pace": [{"rss_mb": 100.0}, {"rss_mb": 104.0}],
        "dashboard": {"runs": page},
        "second_start": {"processor_seconds": 5.0},
    }
    assert missed(good) == []
    slow = {"seconds": {"median": 1.1, "slowest": 1.6}}
    bad = {"runs_a_second": 49.0, "pace": [{"rss_mb": 100.0}, {"rss_mb": 106.0}], "dashboard": {"runs": slow}}
    assert missed({**good, **bad, "folders": 11}) == ["runs a second", "memory", "redraw", "all done, each once"]
