"""The table that the dashboard holds is the one that all points make, whatever has changed meanwhile."""

import random
from pathlib import Path

import pandas as pd
import pytest

from app.tables import points
from app.tables import store as tables
from engine.spec import run as specs
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import runs


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A table without what only tells how it lies in memory."""
    columns = {key: frame[key].astype(object) for key in frame if key != "onnx"}
    return pd.DataFrame({**columns, "widths": [dict(widths) for widths in frame["widths"]]})


def check(results: Store) -> pd.DataFrame:
    frame = tables.points(tables.settled_token())
    pd.testing.assert_frame_equal(plain(frame), plain(points.tidy(results.points())), check_dtype=False)
    return frame


def change(results: Store, made: list[Run], draw: random.Random, seed: int) -> None:
    """One of the things that happen to a results folder."""
    what = draw.choice(["new", "new", "point", "timing", "delete", "state"]) if made else "new"
    run = draw.choice(made) if made else None
    if what == "new" or run is None:
        more = draw.choice([{}, {"limit": 7}, {"image_size": 40}])
        spec = specs.parse({"seed": seed, "criterion": draw.choice(["l1", "fpgm"]), "data": more})
        made.append(runs.finished(results, spec, cpu=draw.choice([None, "a", "b"])))
    elif what == "point":
        run.append_point(runs.point(20 + seed, "recovered", 0.2, 0.5, note=f"note {seed}"))
    elif what == "timing":
        runs.on_board(run, 2, precision=draw.choice(["fp16", "fp32"]))
    elif what == "state":
        run.update(state=draw.choice(["failed", "done"]))
    else:
        results.delete(made.pop(made.index(run)).id)


def test_a_table_that_is_brought_up_to_date_is_the_one_of_all_points(results: Store) -> None:
    assert tables.points(tables.settled_token()).empty
    draw, made = random.Random(5), list[Run]()
    for seed in range(14):
        change(results, made, draw, seed)
        check(results)
    runs.searched(results, specs.parse({"target": {"lose": 1.0, "also_criteria": ["fpgm"]}, "criterion": "l1"}))
    runs.stepwise(results, specs.parse({"order": "layers", "depth": {"method": "direct"}, "criterion": "accuracy"}))
    runs.carried_over(results, specs.parse({"data": {"name": "mnist5k>digits"}}))
    frame = check(results)
    assert "hover" not in frame, "told only of what is drawn"
    assert tables.with_onnx("") == set(frame.loc[frame["final"] & frame["id"].isin(tables.with_onnx("")), "id"])


def test_only_what_changed_is_read_again_and_a_caller_changes_nothing(
    results: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [runs.finished(results, specs.parse({"seed": seed})) for seed in range(3)]
    frame = tables.points(tables.settled_token())
    summaries = tables.runs(tables.settled_token())
    frame["top1"] = 0.0
    frame.loc[0, "macs"] = 1.0
    summaries.clear()
    asked: list[list[str]] = []
    columns = Store.columns
    monkeypatch.setattr(Store, "columns", lambda self, ids: asked.append(list(ids)) or columns(self, ids))
    made[1].update(message="a word")
    again = tables.points(tables.settled_token())
    assert asked == [[made[1].id]] and again["top1"].gt(0).all() and again.loc[0, "macs"] == runs.BASE_MACS
    assert tables.points(tables.settled_token()) is not again and asked == [[made[1].id]]
    rows = tables.runs(tables.settled_token())
    assert [row["run_id"] for row in rows] == [run.id for run in reversed(made)] and rows[1]["message"] == "a word"


def test_onnx_files_are_known_without_a_look_into_each_run(results: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.finished(results, specs.parse({"target": {"keep": [0.6, 0.3]}}))
    assert tables.points(tables.settled_token())["onnx"].sum() == 2
    with monkeypatch.context() as patch:
        patch.setattr(Path, "glob", None)
        assert tables.with_onnx(tables.settled_token()) == {f"{run.id}.2", f"{run.id}.4"}
    run.model_file(4, "onnx").unlink()
    assert tables.with_onnx(tables.settled_token()) == {f"{run.id}.2"}
