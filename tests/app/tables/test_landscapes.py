from dataclasses import replace

import numpy as np
import pytest

from app.tables import landscapes
from app.tables.landscapes import best_cells, best_within, comparable, compound_path, difference, even_within, tidy
from engine.errors import WorkError
from engine.spec.landscape.request import parse
from engine.storage.landscapes.grid import Cell, Shares
from engine.storage.store import Store
from tests.support.landscapes import figures, stored

REQUEST = parse({"grid": 5, "spec": {"data": {"name": "digits"}, "criterion": "l1"}})


def test_every_measured_cell_is_a_row_and_what_lies_beside_the_sides_is_none() -> None:
    grid = figures(REQUEST, timed=True)
    stray = Cell(asked=Shares(depth=0.33, width=1.0), why="of another landscape")
    table = tidy(replace(grid, cells=(*grid.cells[3:], stray, grid.cells[-2])))
    assert len(table) == 22 and table["why"].notna().sum() == 1
    row = table[(table["depth"] == 0.6) & (table["width"] == 0.6)].iloc[0]
    assert row["kept_depth"] == 0.5 and row["macs_share"] == pytest.approx(0.3, abs=1e-5) and row["images"] == 200
    assert row["ms"] == pytest.approx(1.2, abs=1e-4) and len(row["removed"]) == 4
    drawn = landscapes.matrix(table, "reconstructed", grid.depths, grid.widths)
    assert drawn.shape == (5, 5) and np.isnan(drawn).sum() == 4, "three that are not measured, one that is no network"
    assert drawn[0, 3] == table[(table["depth"] == 0.4) & (table["width"] == 1.0)]["reconstructed"].item()
    empty = tidy(replace(grid, cells=()))
    assert empty.empty and best_cells(empty, "plain").empty and even_within(empty, "plain", 0.5) is None


def test_each_budget_has_its_most_accurate_cell_and_the_one_on_the_way_of_compound_scaling() -> None:
    table = tidy(figures(REQUEST))
    best = best_cells(table, "reconstructed", (0.9, 0.5, 0.001))
    assert list(best["budget"]) == [0.9, 0.5] and (best["macs_share"] <= best["budget"]).all()
    half = best_within(table, "reconstructed", 0.5)
    assert half is not None and half["reconstructed"] == table[table["macs_share"] <= 0.5]["reconstructed"].max()
    assert (half["depth"], half["width"]) == (0.6, 1.0), "depth costs less here"
    even = even_within(table, "reconstructed", 0.5)
    assert even is not None and (even["depth"], even["width"]) == (0.8, 0.6)


def test_the_path_of_compound_scaling_shares_a_cut_between_depth_and_width() -> None:
    depth, width = compound_path(0.2)
    assert (depth[0], width[0]) == (1.0, 1.0) and min(*depth, *width) == pytest.approx(0.2)
    assert all(np.diff(depth) < 0) and all(np.diff(width) < 0)
    doubled = 1.2 * 1.1**2  # a step of depth by 1.2 and of width by 1.1, whose MACs go with its square
    assert np.log(depth[9]) / np.log(depth[9] * width[9]) == pytest.approx(np.log(1.2) / np.log(doubled))


def test_a_difference_is_of_cells_that_both_have() -> None:
    one, other = tidy(figures(REQUEST, tilt=0.1)), tidy(figures(REQUEST))
    compared = difference(one, other.iloc[1:], "reconstructed").set_index(["depth", "width"])["gain"]
    assert np.isnan(compared[1.0, 1.0]) and compared[1.0, 0.2] == pytest.approx(8.0)
    assert np.isnan(compared[0.2, 0.2]), "which is no network"


def test_only_landscapes_of_the_same_baseline_and_cells_are_held_against_each_other(results: Store) -> None:
    changes: list[dict[str, object]] = [
        {"spec": {"criterion": "fpgm"}},
        {"spec": {"order": "channels-layers"}},
        {"spec": {"seed": 1}},
        {"spec": {"data": {"name": "digits", "limit": 50}}},
        {"grid": 4},
        {"spec": {"train": {"epochs": 3}}},
    ]
    jobs = []
    for change in ({}, *changes):
        spec = {"data": {"name": "digits"}, "criterion": "l1", **change.pop("spec", {})}  # type: ignore[dict-item]
        jobs.append(stored(results, figures(parse({"grid": 5, **change, "spec": spec}))).id)
    listed = {job["run_id"]: job for job in landscapes.landscapes(results.token())}
    assert set(listed) == set(jobs) and not any(job["gallery"] for job in listed.values())
    found = comparable(listed[jobs[0]], list(listed.values()))
    assert {job["run_id"] for job in found} == set(jobs[1:3])


def test_sides_that_no_landscape_has_are_damage(results: Store) -> None:
    grid = figures(REQUEST)
    sentence = r"landscape.json is damaged: its (depths|widths) are not 1 to 21 different"
    for sides in ({"depths": ()}, {"widths": (1.0, 1.0)}, {"widths": (1.0, 0.0)}):
        job = stored(results, replace(grid, **sides))
        with pytest.raises(WorkError, match=sentence):
            landscapes.grid(job.id)
