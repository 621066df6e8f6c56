"""The same storm with the real pipeline: real training, real cuts, real files."""

import functools
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.latency import host_timing
from engine.pipeline import run as pipeline
from engine.spec.run import RunSpec, parse
from engine.storage.job_folder import Run
from engine.storage.store import Store
from tests.support.storm import Storm, all_ended, cleaned, started, wait_for

KILLS = 20
DASHBOARD = """
import sys, time
from pathlib import Path
from engine.jobs.worker import start_detached
from engine.storage.store import Store

while True:
    start_detached(Store(Path(sys.argv[1])))
    time.sleep(0.2)
"""


def spec(order: str) -> RunSpec:
    return parse(
        {
            "order": order,
            "criterion": "taylor",
            "data": {"name": "digits", "limit": 160},
            "train": {"epochs": 3, "batch_size": 32},
            "recover": {"epochs": 2},
            "target": {"keep": [0.7, 0.4]},
        }
    )


def essence(run: Run) -> list[dict[str, Any]]:
    """Points without what depends on the clock."""
    return [{k: v for k, v in p.to_json().items() if k not in ("seconds", "latency")} for p in run.points()]


@pytest.mark.timeout(600)
def test_twenty_kills_lose_no_run_and_change_no_measured_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "none")
    queued = [Queue(store).submit(spec(order)) for order in ("layers-channels", "channels-layers")]
    command = [sys.executable, "-c", DASHBOARD, str(store.root)]
    storm = Storm(store, lambda: started(command), random.Random(11), pauses=(0.0, 1.5), patience=120.0)
    with cleaned(store):
        try:
            storm.blow(KILLS)
            wait_for(lambda: all_ended(store), 240)
        finally:
            storm.calm()
    assert min(storm.killed.values()) >= 3
    monkeypatch.setattr(
        host_timing, "time_onnx", functools.partial(host_timing.time_onnx, seconds=0.0)
    )  # is not compared
    calm = Store(tmp_path / "calm", gallery=tmp_path / "none")
    for run in queued:
        assert run.status().state == "done", run.log_tail()
        undisturbed = calm.create(run.spec(), foreground=True)
        assert execute(undisturbed, pipeline.run) == "done"
        assert essence(run) == essence(undisturbed)
