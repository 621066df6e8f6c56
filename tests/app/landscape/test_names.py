from dataclasses import replace

from app.landscape import live, names
from app.landscape.estimate import Reference, estimate
from app.tables.landscapes import difference, tidy
from engine.spec.landscape.request import parse
from tests.support.landscapes import BASE_MACS, figures

REQUEST = parse({"grid": 5, "spec": {"data": {"name": "digits"}, "criterion": "l1"}})
JOB = {
    "run_id": "20260101-000000-00000000", "model": "resnet20", "data": "digits", "data_label": "digits",
    "criterion": "l1", "order": "layers-channels", "grid": 5, "state": "done", "gallery": False, "reconstruct": True,
}  # fmt: skip


def test_landscapes_in_a_list_are_told_apart() -> None:
    twin, failed = JOB | {"run_id": "20260101-000000-00000001"}, JOB | {"run_id": "c", "state": "failed"}
    damaged = JOB | {"run_id": "d", "criterion": None}
    labels = names.labels([JOB, twin, failed, damaged])
    assert len(set(labels.values())) == 4 and labels["d"] == "d"
    assert labels[JOB["run_id"]].startswith("resnet20 on digits · ") and labels["c"].endswith("(failed)")
    assert names.apart(JOB, JOB | {"order": "channels-layers"}) == ("layers → channels", "channels → layers")
    both = names.apart(JOB, JOB | {"order": "channels-layers", "criterion": "fpgm"})
    assert both[0].endswith(", layers → channels") and both[0] != both[1]
    assert names.apart(JOB, twin) == (JOB["run_id"], twin["run_id"])


def test_the_sentence_says_what_half_the_macs_cost_at_best_and_scaled_evenly() -> None:
    cells = tidy(figures(REQUEST))
    said = names.answer(cells, 0.95, "reconstructed", 200)
    assert said == (
        "Half the MACs costs 4.0 points at best (95.0 % → 91.0 %): 0.60× of the depth, 1.00× of the width. "
        "Compound scaling in reverse keeps 81.0 % there. One of the 200 validation images is 0.5 points."
    )
    assert "Compound scaling" not in names.answer(cells, 0.95, "reconstructed", 200, path=False)
    assert "Nothing with half the MACs is measured yet" in names.answer(cells.iloc[:1], 0.95, "reconstructed", 200)
    assert "costs nothing at best" in names.answer(cells, 0.91, "reconstructed", 200)
    assert "costs less than nothing (+1.0 points)" in names.answer(cells, 0.90, "reconstructed", 200)


def test_what_is_left_of_a_landscape_under_way_is_told_from_its_second_cell_on() -> None:
    job, grid = JOB | {"progress": 0.1, "message": "3 of 25", "started": None}, figures(REQUEST)
    assert live.progress(job, None) == live.progress(job, replace(grid, cells=grid.cells[:1])) == "10% · 3 of 25"
    assert live.progress(job, replace(grid, cells=grid.cells[:5])) == "10% · 3 of 25 · about 40 s left"


def test_the_sentence_of_a_difference_says_who_is_ahead_where() -> None:
    compared = difference(tidy(figures(REQUEST, tilt=0.1)), tidy(figures(REQUEST)), "reconstructed")
    said = names.answer_of_difference(compared, ("FPGM", "L1"), 200)
    assert said.startswith("FPGM is ahead in 19 of 24 cells, by up to 8.0 points (depth 1.00×, width 0.20×).")
    assert "L1 is ahead in none of 24 cells. In 5 they are alike." in said
    assert "no measured cell in common" in names.answer_of_difference(compared.iloc[:0], ("a", "b"), 200)


def test_the_time_is_that_of_the_cells_of_the_landscape_that_is_most_alike() -> None:
    grid = figures(REQUEST)
    shipped, own = Reference(JOB | {"gallery": True}, grid), Reference(JOB | {"data": "clutter"}, grid)
    assert estimate(REQUEST, BASE_MACS, []) is None
    first = estimate(REQUEST, 2 * BASE_MACS, [shipped])
    assert first is not None and (first.seconds, first.own) == (2 * 48.0, False)
    second = estimate(REQUEST, BASE_MACS, [shipped, own])
    assert second is not None and second.own
