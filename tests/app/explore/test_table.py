"""The rows of Explore's table and of its CSV."""

import csv
import io

import pytest

from app.explore.table import table
from app.tables import points
from engine.storage.store import Store
from tests.support import damage, runs
from tests.support.screen import app, captions


def test_cells_that_begin_a_formula_leave_the_csv_as_text(results: Store) -> None:
    run = runs.finished(results, runs.spec(), cpu="=cmd()")
    damage.change(run, "spec.json", criterion="=1+1", weights="@SUM(A1)", model=" -2")
    frame = points.tidy(results.points())
    frame = points.with_latency(frame, points.host_conditions(frame)[0])
    rows = list(csv.DictReader(io.StringIO(table.csv(frame, None).decode())))
    assert {row["criterion"] for row in rows} == {"'=1+1"} and {row["weights"] for row in rows} == {"'@SUM(A1)"}
    assert {row["host"] for row in rows} == {"'=cmd()"} and {row["model"] for row in rows} == {"' -2"}
    assert [float(row["top1"]) for row in rows] == [float(value) for value in frame["top1"]]


def test_a_setting_that_only_some_runs_have_has_its_column(results: Store) -> None:
    for limit in (None, 300):
        runs.finished(results, runs.spec(data={"name": "clutter", "limit": limit}))
    frame = points.with_latency(points.tidy(results.points()), None)
    assert set(table.display_rows(frame)[points.SETTINGS["limit"]].dropna()) == {300}


def test_table_and_card_have_the_mean_over_seeds_where_there_are_several(results: Store) -> None:
    for seed in range(3):
        run = runs.finished(results, runs.spec(seed=seed))
    frame = points.with_latency(points.tidy(results.points()), None)
    rows = table.display_rows(frame[frame["final"]])
    assert set(rows["seeds"]) == {3} and rows["mean"].iloc[0] == pytest.approx(87.4)
    assert rows["± 95 %"].iloc[0] == pytest.approx(0.497, abs=1e-3)
    assert "seeds" not in table.display_rows(frame[frame["seed"] == 0])
    assert "mean 87.4 ± 0.5 % over 3 seeds" in captions(app(point=f"{run.id}.2"))
