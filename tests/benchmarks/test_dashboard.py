"""The benchmark of the dashboard measures what the dashboard does."""

from pathlib import Path

from benchmarks.dashboard import filling, measuring
from benchmarks.dashboard.__main__ import _as_theirs, _compare
from engine.storage.store import Store


def test_synthetic_runs_are_what_a_run_leaves_and_the_rivals_get_the_same(tmp_path: Path) -> None:
    filling.fill(tmp_path, 4)
    filling.fill(tmp_path, 6)
    store = Store(tmp_path, gallery=tmp_path / "gallery")
    assert {(run["state"], run["points"]) for run in store.runs()} == {("done", 4)} and len(store.runs()) == 6
    theirs = _as_theirs(0)
    ours = next(row for row in store.points() if row["final"] and row["macs"] == theirs["figures"]["macs"])
    assert {key: ours[key] for key in theirs["settings"]} == theirs["settings"]
    assert measuring.index(tmp_path)["index from nothing"] > 0


def test_the_comparison_fails_where_ours_is_not_five_times_as_fast() -> None:
    answers = {
        name: {"version": "1", "seconds": seconds, "rows": 9} for name, seconds in (("mlflow", 1), ("optuna", 2))
    }
    assert [_compare({measuring.QUESTION: ours}, answers) for ours in (0.1, 0.3)] == [0, 1]
