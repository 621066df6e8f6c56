"""The same storm with the real pipeline: real training, real cuts, real files, and all signals that end or stop.

Each may cost seconds of loading PyTorch anew, so there are few, of every kind and to every process; `python -m
benchmarks.storm` sends two hundred.
"""

import random
import sys
from pathlib import Path

import pytest

from benchmarks.storm import essence, specs, undisturbed
from engine.jobs.queue import Queue
from engine.jobs.worker import start_detached, worker_of
from engine.spec.run import RunSpec
from engine.storage.store import Store
from tests.support.standin import worker_command
from tests.support.storm import SIGNALS, Foreground, Storm, all_ended, cleaned, started, wait_for

SIGNALS_SENT = 8


@pytest.mark.timeout(600)
def test_signals_of_every_kind_lose_no_run_and_change_no_measured_point(tmp_path: Path) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "none")
    one_shot, _, in_foreground = specs(3)
    queued = Queue(store).submit(one_shot)
    start_detached(store)

    def run(spec: RunSpec) -> object:
        (tmp_path / "spec.json").write_text(spec.canonical())
        where = ["--spec", str(tmp_path / "spec.json"), "--results", str(store.root)]
        return started([sys.executable, "-m", "engine", "run", *where])

    look = [*worker_command(store)[:3], "look", str(store.root)]
    foreground = Foreground(store, [in_foreground], run, Queue(store).resume)
    pauses = (0.0, 0.8)
    storm = Storm(store, lambda: started(look), random.Random(50), pauses, 120.0, SIGNALS, foreground, lambda: False)
    with cleaned(store):
        try:
            storm.blow(SIGNALS_SENT)
            wait_for(lambda: not storm.attend(), 120)
            wait_for(lambda: all_ended(store) and worker_of(store) is None, 240)
        finally:
            storm.calm()
    assert len(storm.by_target()) == 4 and storm.by_target().total() == SIGNALS_SENT
    assert {kind for _, kind in storm.sent} == {number.name for number in SIGNALS}
    [other] = [store.run(row["run_id"]) for row in store.runs() if in_foreground.digest() in row["run_id"]]
    assert len(store.runs()) == 2
    for run_folder in (queued, other):
        assert run_folder.status().state == "done", run_folder.log_tail()
        assert essence(run_folder) == undisturbed(tmp_path / "calm", run_folder.spec())
