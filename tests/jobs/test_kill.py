"""Nothing that is killed, at any moment, loses a run or changes a result."""

import random
from pathlib import Path
from typing import Any

from engine.jobs.child import execute
from engine.spec.run import RunSpec
from engine.storage.store import Store
from tests.support import standin
from tests.support.storm import Storm, all_ended, cleaned, own, started, wait_for


def undisturbed_points(folder: Path, spec: RunSpec) -> list[dict[str, Any]]:
    run = Store(folder, gallery=folder / "none").create(spec, foreground=True)
    assert execute(run, lambda spec, run: standin.steady(spec, run, pause=0.0)) == "done"
    return run.points()


def test_twenty_kills_lose_no_run_and_change_no_point(tmp_path: Path) -> None:
    store = Store(tmp_path / "results", gallery=tmp_path / "none")
    acknowledged, enough = tmp_path / "acknowledged", tmp_path / "enough"
    arguments = [str(store.root), str(acknowledged), str(enough), "steady"]
    python = standin.worker_command(store)[:3]
    storm = Storm(store, lambda: started([*python, "dashboard", *arguments]), random.Random(7))
    with cleaned(store):
        try:
            storm.blow(20)
            enough.touch()
            wait_for(lambda: all_ended(store), 240)
        finally:
            storm.calm()
    targets = storm.by_target()
    assert len(targets) == 3 and targets.total() == 20
    runs = own(store)
    assert set(acknowledged.read_text().split()) <= {row["run_id"] for row in runs}
    assert [row["state"] for row in runs] == ["done"] * len(runs)
    for row in runs:
        run = store.run(row["run_id"])
        assert run.points() == undisturbed_points(tmp_path / "calm", run.spec()), run.log_tail()
        assert run.status().progress == 1.0
    assert not list(store.folder.glob("*/.~*")), "a file that was being written when its process was killed is left"
