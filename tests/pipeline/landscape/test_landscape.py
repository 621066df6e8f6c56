"""A landscape of a small network: what its cells say, what it does not do twice, and that a resumed one is the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.criteria.reconstruction.trials import Trials
from engine.errors import RequestError
from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.pipeline import run as run_pipeline
from engine.pipeline import single_steps
from engine.pipeline.landscape import levels as made_levels
from engine.pipeline.landscape import run as pipeline
from engine.pipeline.landscape.same_network import run_of
from engine.spec.landscape.request import parse
from engine.storage.landscapes.grid import Cell, Grid
from engine.storage.landscapes.job import Landscape
from engine.storage.records.event import Note
from engine.storage.records.point import Point
from engine.storage.store import Store
from engine.zoo.own import listing
from tests.support.landscapes import measured, small_network, small_request
from tests.support.latency_tables import made_up


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_network(tmp_path_factory.mktemp("code"))


@pytest.fixture(scope="module")
def finished(model: str, tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return measured(tmp_path_factory.mktemp("results"), small_request(model))


def grid_of(folder: Landscape) -> Grid:
    grid = folder.grid()
    assert grid is not None
    return grid


def essence(cell: Cell) -> dict[str, Any]:
    """A cell without what depends on the clock."""
    document = cell.to_json() | {"seconds": None}
    if cell.reconstruction is not None:
        document["reconstruction"] |= {"seconds": None}
    return document


def test_every_pair_of_shares_is_a_cell_with_its_costs_and_two_accuracies(finished: Landscape) -> None:
    grid = grid_of(finished)
    assert [(c.asked.depth, c.asked.width) for c in grid.cells] == [(d, w) for d in grid.depths for w in grid.widths]
    assert grid.depths == grid.widths == (1.0, 0.625, 0.25)
    for cell in grid.cells:
        assert cell.kept is not None and cell.got is not None and cell.macs is not None, cell.why
        assert cell.kept.depth <= cell.asked.depth and cell.kept.width <= cell.asked.width
        assert cell.got.macs == pytest.approx(cell.kept.depth * cell.kept.width) == cell.macs / grid.untouched.macs
        assert cell.plain is not None and cell.reconstructed is not None
        assert cell.plain.total == cell.reconstructed.total == grid.images
        removed = {name.rpartition(".")[0] for name, (_, kept) in cell.widths.items() if not kept}
        assert all(any(name.startswith(block) for block in cell.blocks_removed) for name in removed)
    first = grid.cells[0]
    assert first.plain == first.reconstructed == grid.untouched.accuracy and first.reconstruction is None


def test_a_landscape_says_its_images_its_splits_and_its_conditions(finished: Landscape) -> None:
    grid = grid_of(finished)
    assert grid.split == "val" and any("the test split was not looked at" in note for note in grid.notes)
    assert grid.calibration_images == 160 and grid.conditions["seed"] == 0 and "torch" in grid.conditions
    assert parse(grid.request) == finished.spec()
    assert grid.latency is None and any("no latency is predicted" in note for note in grid.notes)
    assert all(cell.predicted_ms is None for cell in grid.cells)


def test_what_cells_share_is_made_once(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, scored = [], []
    make, choose = made_levels.Levels._make, made_levels.Selection._channels
    monkeypatch.setattr(made_levels.Levels, "_make", lambda self, step: made.append(step) or make(self, step))
    monkeypatch.setattr(made_levels.Selection, "_channels", lambda self: scored.append(1) or choose(self))
    grid = grid_of(measured(tmp_path, small_request(model, least=0.75, spec={"train": {"epochs": 0}})))
    assert len(made) == len(set(made)) == len(scored) == 2
    again = [cell for cell in grid.cells if cell.repeats is not None]
    assert {cell.asked.depth for cell in again} == {grid.depths[-1]} and len(again) == 3
    for cell in again:
        assert cell.repeats is not None and cell.asked.width == cell.repeats.width
        same = grid.cell(cell.repeats.depth, cell.repeats.width)
        assert same is not None and cell.reconstructed == same.reconstructed and cell.widths == same.widths


@pytest.mark.parametrize("order", ["layers-channels", "channels-layers"])
def test_a_landscape_that_was_stopped_goes_on_where_it_was_and_ends_the_same(
    model: str, order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = small_request(model, grid=2, spec={"order": order, "train": {"epochs": 1, "batch_size": 32}})
    calm = measured(tmp_path / "calm", request)
    store = Store(tmp_path / "results", gallery=tmp_path / "none")
    folder = store.create_landscape(request, foreground=True)
    usual, done = pipeline.measure_cell, []

    def measure(*arguments: Any) -> Cell:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(arguments[-2:])
        return usual(*arguments)

    monkeypatch.setattr(pipeline, "measure_cell", measure)
    assert execute(folder, pipeline.run) == "interrupted" and len(grid_of(folder).cells) == 3
    monkeypatch.setattr(pipeline, "measure_cell", lambda *a: done.append(a[-2:]) or usual(*a))
    again = Queue(store).resume(folder.id)
    assert execute(again, pipeline.run) == "done"  # type: ignore[arg-type]
    assert len(done) == len(set(done)) == 4
    assert [essence(cell) for cell in grid_of(folder).cells] == [essence(cell) for cell in grid_of(calm).cells]


def test_cells_without_a_network_say_why(model: str, tmp_path: Path) -> None:
    spec = {
        "train": {"epochs": 0},
        "recover": {"reconstruct": False},
        "keep_layers": ["4"],
        "width": {"least_share": 0.5},
    }
    grid = grid_of(measured(tmp_path, small_request(model, least=0.1, grid=2, spec=spec)))
    reasons = {(cell.asked.depth, cell.asked.width): cell.why for cell in grid.cells}
    assert reasons[1.0, 1.0] is None
    assert "× of the MACs remains when every layer keeps as few channels as it may" in str(reasons[1.0, 0.1])
    assert "× of the MACs remains without all 2 removable blocks" in str(reasons[0.1, 1.0])
    assert reasons[0.1, 0.1] == reasons[0.1, 1.0]
    assert grid.calibration_images is None and all(cell.reconstructed is None for cell in grid.cells)


def test_a_baseline_that_another_job_trained_is_taken(model: str, finished: Landscape) -> None:
    request = small_request(model, grid=2, spec={"recover": {"reconstruct": False}})
    folder = measured(finished.path.parents[1], request)
    assert [note.text for note in folder.events(Note)] == [
        f"baseline taken from {finished.id}, which trained the same one"
    ]
    assert grid_of(folder).untouched == grid_of(finished).untouched


def test_milliseconds_stand_beside_each_cell_where_this_machine_has_a_table(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pipeline.profile, "table_at_hand", lambda structure, _: made_up(structure.summary, lambda i, o: i * o)
    )
    spec = {"train": {"epochs": 0}, "recover": {"reconstruct": False}}
    grid = grid_of(measured(tmp_path, small_request(model, grid=2, spec=spec)))
    assert grid.latency is not None and grid.untouched.predicted_ms is not None
    for cell in grid.cells:
        assert cell.predicted_ms is not None and cell.got is not None and cell.got.latency is not None
        assert cell.got.latency == pytest.approx(cell.predicted_ms / grid.untouched.predicted_ms)
    assert grid.cells[-1].predicted_ms < grid.cells[0].predicted_ms


def test_a_landscape_whose_file_of_code_has_changed_does_not_go_on(model: str, tmp_path: Path) -> None:
    request = small_request(
        small_network(tmp_path), grid=2, spec={"train": {"epochs": 0}, "recover": {"reconstruct": False}}
    )
    folder = measured(tmp_path / "results", request)
    file = tmp_path / "small.py"
    file.write_text(file.read_text() + "\n# another state\n")
    listing.enter(f"{file}:build")
    with pytest.raises(RequestError, match="start a new landscape"):
        pipeline.run(request, folder)


def test_the_run_of_a_cell_makes_the_very_network_of_the_cell(finished: Landscape) -> None:
    cell = next(cell for cell in grid_of(finished).cells if cell.blocks_removed and cell.asked.width < 1)
    point = point_of(finished, cell)
    assert point.final and point.macs == cell.macs and point.widths == cell.widths
    assert tuple(point.blocks_removed) == cell.blocks_removed


def test_a_cell_and_its_run_weigh_what_channels_cost_in_the_same_way(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trials, "rate", lambda self, layer: 1e-6 if layer.startswith("5.") else 1.0)
    landscape = measured(tmp_path, small_request(model, spec={"criterion": "obs", "order": "channels-layers"}))
    cell = next(cell for cell in grid_of(landscape).cells if cell.asked.depth == 1 and cell.asked.width == 0.625)
    assert point_of(landscape, cell).widths == cell.widths


def point_of(landscape: Landscape, cell: Cell) -> Point:
    """What the run of a cell comes to, nothing trained."""
    spec = run_of(grid_of(landscape), cell)
    spec = spec.model_copy(update={"recover": spec.recover.model_copy(update={"epochs": 0})})
    run = Store(landscape.path.parents[1], gallery=landscape.path / "none").create(spec, foreground=True)
    assert execute(run, run_pipeline.run) == "done", run.log_tail()
    return run.points()[-1]


def test_a_landscape_of_a_pruned_network_is_of_what_goes_from_there(finished: Landscape, tmp_path: Path) -> None:
    pruned = tmp_path / "pruned.safetensors"
    plan, weights = finished.baseline_files()
    document = json.loads(plan.read_text())
    step = {"remove_blocks": [grid_of(finished).untouched.removable_blocks[0]]}
    plan_of_one_cut = tmp_path / "plan.json"
    plan_of_one_cut.write_text(json.dumps(document | {"steps": [step]}))
    single_steps.apply(plan_of_one_cut, weights, pruned)
    model = str(finished.spec().spec.model)
    request = small_request(model, grid=2, least=0.4, spec={"weights": str(pruned)})
    grid = grid_of(measured(tmp_path, request))
    assert len(grid.untouched.removable_blocks) == 2
    assert [len(cell.blocks_removed) for cell in grid.cells] == [0, 0, 2, 2]
    assert grid.cells[-1].reconstruction is not None and grid.cells[-1].reconstructed is not None


def test_shares_of_latency_are_of_what_the_table_predicts(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.profile, "table_for_target", lambda _, m, s, r: made_up(s.summary, lambda i, o: i * o))
    spec = {"train": {"epochs": 0}, "recover": {"reconstruct": False}, "target": {"metric": "latency"}}
    grid = grid_of(measured(tmp_path, small_request(model, grid=2, least=0.5, spec=spec)))
    assert grid.metric == "latency" and grid.latency is not None
    for cell in grid.cells:
        assert cell.kept is not None and cell.got is not None and cell.why is None
        assert cell.kept.depth * cell.kept.width == pytest.approx(cell.got.latency, rel=1e-3)
        assert cell.kept.depth <= cell.asked.depth and cell.kept.width <= cell.asked.width
