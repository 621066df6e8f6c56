"""The main road on real digits with a small network: what a run leaves, and that a resumed one leaves the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.errors import RequestError, WorkError
from engine.graph.summarize import summarize
from engine.measure.counters import count
from engine.pipeline import run as pipeline
from engine.pipeline.start.inputs import prepare
from engine.pipeline.start.same_baseline import find_same_baseline
from engine.spec.run import parse
from engine.storage.folders.run import Run
from engine.storage.outcomes import images, layers, predictions
from engine.storage.records.event import Event
from engine.storage.store import Store
from engine.surgery import cut as surgery
from engine.surgery import plan, serialization
from engine.zoo.build import build
from tests.support import residual

SMALL: dict[str, Any] = {
    "model": residual.NAME,
    "data": {"name": "digits", "limit": 120},
    "train": {"epochs": 2, "batch_size": 32},
    "recover": {"epochs": 1},
    "target": {"keep": [0.5]},
}


def run(results: Path, **changes: Any) -> Run:
    spec = parse({**SMALL, **changes})
    store = Store(results, gallery=results / "none")
    folder = store.create(spec, foreground=True)
    pipeline.run(spec, folder)
    return folder


def essence(folder: Run) -> list[dict[str, Any]]:
    """Points without what depends on the clock."""
    return [p.without_clock() for p in folder.points()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("results"))


def test_a_run_leaves_a_point_for_every_step(finished: Run) -> None:
    steps = [(p.stage, p.phase, p.final) for p in finished.points()]
    assert steps == [
        ("baseline", "train", False),
        ("reconstructed", "layers", False),
        ("recovered", "layers", False),
        ("reconstructed", "channels", False),
        ("recovered", "channels", True),
    ]
    assert [p.point for p in finished.points()] == list(range(5))
    assert not finished.checkpoint.exists()


def test_the_final_point_meets_its_target_and_its_numbers_are_those_of_the_stored_network(finished: Run) -> None:
    final = finished.points()[-1]
    assert 0.98 * 0.5 <= final.got.macs <= 0.5
    module, recorded = serialization.read(finished.model_file(4, "plan.json"), finished.model_file(4, "safetensors"))
    counts = count(module, recorded.image)
    assert (final.params, final.macs, final.bytes) == (counts.params, counts.macs, counts.bytes)
    widths = {layer.name: layer.width for layer in summarize(module, recorded.image).summary.layers}
    assert {n: kept for n, (_, kept) in final.widths.items() if kept} == {
        n: w for n, w in widths.items() if n in final.widths
    }
    assert {n.rpartition(".")[0] for n, (_, kept) in final.widths.items() if not kept} == set(final.blocks_removed)
    assert final.latency[0].provider == "CPUExecutionProvider"


def test_every_point_keeps_what_it_names_each_test_image_and_what_its_layers_cost(finished: Run) -> None:
    known = images.read(finished.path)
    assert known is not None and known.classes == tuple(map(str, range(10)))
    for point in finished.points():
        named = predictions.read(finished.model_file(point.point, predictions.SUFFIX))
        assert named is not None and len(named) == len(known.labels) == point.total
        assert int((named == known.labels).sum()) == point.correct
        costs = layers.read(finished.model_file(point.point, layers.SUFFIX))
        assert sum(layer.macs for layer in costs) == point.macs
        assert {layer.name for layer in costs} >= {name for name, (_, kept) in point.widths.items() if kept}
        assert 0.9 * point.params < sum(layer.params for layer in costs) < point.params, "norms are no layers"


def test_a_plan_replays_on_the_untouched_model_to_the_pruned_network_bit_for_bit(tmp_path: Path) -> None:
    folder = run(tmp_path, order="layers", train={"epochs": 0}, recover={"epochs": 0, "reconstruct": False})
    spec = folder.spec()
    baseline = build(spec.model, 10, (3, 16, 16), seed=spec.seed).module
    again = plan.replay(serialization.read_plan(folder.model_file(1, "plan.json")), baseline).state_dict()
    stored = serialization.read(folder.model_file(1, "plan.json"), folder.model_file(1, "safetensors"))[0].state_dict()
    assert stored.keys() == again.keys()
    assert all(torch.equal(stored[key], again[key]) for key in stored)


@pytest.mark.parametrize("order", ["channels-layers", "channels", "layers"])
def test_every_order_ends_at_or_below_its_target(order: str, finished: Run) -> None:
    final = run(finished.path.parents[1], order=order, recover={"epochs": 0}).points()[-1]
    assert final.final
    assert final.got.macs <= 0.5
    if order == "channels":
        assert final.got.macs >= 0.98 * 0.5
    elif final.got.macs < 0.98 * 0.5:
        assert "below the 0.5" in final.note


class _Stopped(Exception):
    pass


def test_a_run_stopped_after_any_event_resumes_to_the_same_points(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, gallery=tmp_path / "none")
    folder = store.create(finished.spec(), foreground=True)
    monkeypatch.setattr("engine.train.fit.CHECKPOINT_SECONDS", 0.0)
    original, limit = Run.append_event, 0

    def stop_at_limit(self: Run, event: Event) -> None:
        nonlocal limit
        limit -= 1
        if limit < 0:
            raise _Stopped
        original(self, event)

    monkeypatch.setattr(Run, "append_event", stop_at_limit)
    stops = 0
    while True:
        limit = 10
        try:
            pipeline.run(folder.spec(), folder)
            break
        except _Stopped:
            stops += 1
        assert stops < 40
    assert stops >= 3
    assert essence(folder) == essence(finished)
    first, *others = (line["notes"][0] for line in folder.event_lines() if line["kind"] == "start")
    assert "goes on after" not in first and all(note.startswith("goes on after ") for note in others)
    assert any("after point 3 (0.5×: channels, reconstructed)" in line for line in folder.log_tail(1000))


def test_a_second_run_with_the_same_baseline_does_not_train_it_again(finished: Run) -> None:
    again = run(finished.path.parents[1], order="channels", recover={"epochs": 0})
    assert essence(again)[0] == essence(finished)[0]
    events = again.event_lines()
    assert any(e["kind"] == "note" and finished.id in e["text"] for e in events)
    assert not any(e["kind"] == "epoch" for e in events)


def test_what_another_run_has_computed_is_taken_from_the_cache_and_is_the_same_bit_for_bit(finished: Run) -> None:
    results = finished.path.parents[1]
    before = {path for path in (results / "cache").rglob("*.safetensors") if path.parent.name != "trainings"}
    assert {path.parent.name for path in before} == {"baselines", "evaluations", "samples", "scores"}
    again = run(results)
    assert {path for path in (results / "cache").rglob("*.safetensors") if path.parent.name != "trainings"} == before
    assert essence(again) == essence(finished)
    for number in range(len(finished.points())):
        one, other = (load_file(x.model_file(number, "safetensors")) for x in (finished, again))
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_cut_that_differs_from_the_masked_network_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surgery, "_kept", lambda ids, drop: surgery.torch.arange(len(ids) - len(set(ids) & set(drop))))
    with pytest.raises(WorkError, match="differs from the masked one"):
        run(tmp_path, order="channels", train={"epochs": 1})


def test_a_target_below_the_floor_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    spec = parse({**SMALL, "order": "layers", "target": {"keep": [0.05]}})
    with pytest.raises(RequestError, match=r"at least 0\.\d+× remains"):
        prepare(spec)


def test_events_tell_the_steps_and_progress_only_grows(finished: Run) -> None:
    events = finished.event_lines()
    assert [e["kind"] for e in events if e["kind"] in ("start", "done")] == ["start", "done"]
    progress = [e["progress"] for e in events if e["kind"] == "phase"]
    assert progress == sorted(progress)
    checks = [e["relative_error"] for e in events if e["kind"] == "cut"]
    assert len(checks) == 2
    assert max(checks) <= surgery.TOLERANCE
    assert json.dumps(events)


def test_statistics_measured_anew_are_a_recovery_by_themselves(finished: Run) -> None:
    folder = run(finished.path.parents[1], order="channels", recover={"epochs": 0, "reestimate_bn": True})
    assert [p.stage for p in folder.points()] == ["baseline", "reconstructed", "recovered"]
    before, after = (load_file(folder.path / "models" / f"p{n}.safetensors") for n in (1, 2))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "running_" in name or "num_batches" in name}


def test_one_foreign_or_damaged_neighbour_does_not_fail_a_run(tmp_path: Path) -> None:
    broken = tmp_path / "runs" / "20260101-000000-00000000"
    (broken / "models").mkdir(parents=True)
    (broken / "models" / "p0.safetensors").write_bytes(b"")
    (broken / "points.jsonl").write_text("{}\n")
    (broken / "env.json").write_text("{")
    folder = run(tmp_path, order="channels", train={"epochs": 0}, recover={"epochs": 0})
    assert folder.points()[-1].final


def test_the_baseline_of_a_file_that_may_have_changed_is_trained_again(tmp_path: Path, finished: Run) -> None:
    spec = parse({**SMALL, "data": {"name": "npz:" + str(tmp_path / "x.npz")}})
    assert find_same_baseline(finished, spec) is None
    pair = parse({**SMALL, "data": {"name": f"clutter>npz:{tmp_path / 'x.npz'}"}})
    assert find_same_baseline(finished, pair) is None
    assert find_same_baseline(finished, parse({**SMALL, "seed": 1})) is None
