"""The iterative methods on real digits: what each step removes, where they end, and that a killed run goes on."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RequestError
from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.pipeline import run as pipeline
from engine.pipeline.start.inputs import load_network, prepare
from engine.pipeline.summaries import published_summary
from engine.prune.forecast import forecast
from engine.spec.run import parse
from engine.storage.folders.run import Run
from engine.storage.store import Store
from engine.surgery import cut as surgery
from engine.surgery import plan, serialization
from engine.train.evaluate import evaluate
from tests.support import residual
from tests.support.places import ROOT

SMALL: dict[str, Any] = {
    "model": residual.NAME,
    "data": {"name": "digits", "limit": 120},
    "train": {"epochs": 1, "batch_size": 32},
    "recover": {"epochs": 0, "between_steps_batches": 2, "reconstruct": False},
    "target": {"keep": [0.7]},
}
DIRECT: dict[str, Any] = {"order": "layers", "depth": {"method": "direct"}}
PROGRESSIVE: dict[str, Any] = {
    "order": "channels",
    "criterion": "l1",
    "width": {"method": "progressive", "attempt_fraction": 0.3, "layers_per_step": 0.5},
}
ALTERNATE: dict[str, Any] = {"order": "alternate", "criterion": "l1"}


def run(results: Path, **changes: Any) -> Run:
    store = Store(results, gallery=results / "none")
    folder = store.create(parse({**SMALL, **changes}), foreground=True)
    pipeline.run(folder.spec(), folder)
    return folder


def essence(folder: Run) -> list[dict[str, Any]]:
    """Points without what depends on the clock."""
    return [p.without_clock() for p in folder.points()]


def attempts(folder: Run) -> list[dict[str, Any]]:
    return [e for e in folder.event_lines() if e["kind"] == "attempts"]


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("results"), **DIRECT, target={"keep": [0.5, 0.9]})


def test_direct_removal_takes_one_block_a_step_and_draws_the_curve_in_one_run(direct: Run) -> None:
    points = direct.points()[1:]
    assert [p.step for p in points] == [1, 1, 2]
    assert [len(p.blocks_removed) for p in points] == [1, 2, 3]
    assert [(p.keep, p.final) for p in points] == [(0.9, True), (0.5, False), (0.5, True)]
    assert all(p.stage == "recovered" for p in points)


def test_direct_removal_takes_the_block_with_the_most_correct_validation_images(direct: Run) -> None:
    data = load_network(direct.spec()).data
    module, _ = serialization.read(direct.model_file(0, "plan.json"), direct.model_file(0, "safetensors"))
    first = attempts(direct)[0]
    for attempt in first["attempts"]:
        result = evaluate(surgery.bypassed_copy(module, [attempt["name"]]), data.val, data, "cpu")
        assert (attempt["correct"], attempt["total"]) == (result.correct, result.total)
    selected = next(t for t in first["attempts"] if t["selected"])
    assert selected["correct"] == max(t["correct"] for t in first["attempts"])
    assert direct.points()[1].blocks_removed == (selected["name"],)


def test_whole_epochs_follow_each_step_where_no_batches_are_asked_for(tmp_path: Path) -> None:
    folder = run(tmp_path, **DIRECT, recover={"epochs": 1}, target={"keep": [0.7]})
    epochs = [e for e in folder.event_lines() if e["kind"] == "epoch" and e["stage"] == "recovered"]
    assert len(epochs) == len(folder.points()) - 1 == 2
    assert folder.points()[-1].final


def test_a_floor_ends_removal_before_validation_accuracy_falls_below_it(tmp_path: Path, direct: Run) -> None:
    baseline = direct.points()[0].val_top1
    floor = baseline - 1e-6
    folder = run(
        tmp_path,
        **{**DIRECT, "depth": {"method": "direct", "floor": floor}},
        recover={"epochs": 0},
        target={"keep": [0.3]},
    )
    points = folder.points()
    final = next(p for p in points if p.final)
    assert final.val_top1 >= floor
    if final.got.macs > 0.3:
        assert "the floor" in final.note
        assert points[-2].val_top1 < floor


def test_a_floor_above_the_baseline_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"depth\.floor 0\.999 must lie below the baseline's validation accuracy"):
        run(tmp_path, **{**DIRECT, "depth": {"method": "direct", "floor": 0.999}}, recover={"epochs": 0})


def test_a_network_without_removable_blocks_is_refused_in_one_sentence(tmp_path: Path) -> None:
    summary = published_summary("torchvision/squeezenet1_1", tmp_path)
    for order in (DIRECT, ALTERNATE):
        with pytest.raises(RequestError, match="has no removable block; use the order channels"):
            forecast(summary, parse({**SMALL, **order, "model": "torchvision/squeezenet1_1"}))


def test_too_few_images_for_a_race_are_refused_before_anything_is_trained() -> None:
    spec = parse({**SMALL, **PROGRESSIVE, "attempt": {"race": True}})
    with pytest.raises(RequestError, match="at least 256 validation images and there are 120"):
        prepare(spec)


def test_progressive_pruning_meets_its_targets_and_keeps_a_record_of_every_attempt(tmp_path: Path) -> None:
    folder = run(tmp_path, **PROGRESSIVE, target={"keep": [0.8, 0.7]})
    finals = [p for p in folder.points() if p.final]
    assert [p.keep for p in finals] == [0.8, 0.7]
    assert all(0.97 * p.keep <= p.got.macs <= p.keep for p in finals)
    records = attempts(folder)
    assert len(records) == len(folder.points()) - 1
    for before, record in zip(folder.points(), records, strict=False):
        wanted = before.got.macs - (0.8 if before.got.macs > 0.8 else 0.7)  # what goes beyond the target saves nothing
        selected = [t for t in record["attempts"] if t["selected"]]
        others = [t for t in record["attempts"] if not t["selected"]]
        assert len(selected) == -(-len(record["attempts"]) // 2)
        worst = max(t["rise"] / min(t["saved"], wanted) for t in selected)
        assert all(t["rise"] / min(t["saved"], wanted) >= worst for t in others)
        assert record["before"]["total"] == 120


def test_a_least_share_of_every_layer_stays(tmp_path: Path) -> None:
    width = {**PROGRESSIVE["width"], "least_share": 0.6}
    folder = run(tmp_path, **{**PROGRESSIVE, "width": width}, target={"keep": [0.45]})
    assert all(kept >= 0.6 * original for original, kept in folder.points()[-1].widths.values())
    with pytest.raises(RequestError, match=r"keep 0\.2 of the macs cannot be met with order channels: at least"):
        prepare(parse({**SMALL, **PROGRESSIVE, "width": width, "target": {"keep": [0.2]}}))


@pytest.mark.parametrize("method", [PROGRESSIVE, ALTERNATE, DIRECT], ids=["progressive", "alternate", "direct"])
def test_layers_that_are_named_stay_step_by_step(method: dict[str, Any], tmp_path: Path) -> None:
    rules = ["conv1", "layer1.2", "layer2.0=0.8"]
    final = run(tmp_path, **method, keep_layers=rules, target={"keep": [0.75]}).points()[-1]
    assert final.got.macs <= 0.75
    shares = {"conv1": 1.0, "layer1.2.conv1": 1.0, "layer1.2.conv2": 1.0, "layer2.0.conv1": 0.8, "layer2.0.conv2": 0.8}
    assert all(final.widths[name][1] >= share * final.widths[name][0] for name, share in shares.items())
    assert "layer1.2" not in final.blocks_removed


@pytest.fixture(scope="module")
def alternate(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("alternate"), **ALTERNATE, attempt={"measure": "loss"})


@pytest.mark.parametrize("measure", ["loss", "cka", "reconstruction"])
def test_alternate_pruning_weighs_a_block_against_as_much_in_channels(
    measure: str, alternate: Run, tmp_path: Path
) -> None:
    folder = alternate if measure == "loss" else run(tmp_path, **ALTERNATE, attempt={"measure": measure})
    assert 0.97 * 0.7 <= folder.points()[-1].got.macs <= 0.7
    both = [r["attempts"] for r in attempts(folder) if len(r["attempts"]) == 2]
    assert both
    for block, channels in both:
        assert (block["what"], channels["what"]) == ("block", "channels")
        assert channels["saved"] == pytest.approx(block["saved"])
        assert block["selected"] == (block["rise"] <= channels["rise"])


@pytest.mark.parametrize("measure", [None, "reconstruction"])
def test_direct_layers_leave_room_for_progressive_channels(measure: str | None, tmp_path: Path) -> None:
    methods = {"depth": {"method": "direct"}, "width": PROGRESSIVE["width"], "criterion": "l1"}
    folder = run(tmp_path, order="layers-channels", **methods, target={"keep": [0.45]}, attempt={"measure": measure})
    final = folder.points()[-1]
    assert final.blocks_removed and final.phase == "channels"
    assert 0.97 * 0.45 <= final.got.macs <= 0.45
    if measure:
        records = attempts(folder)
        assert all(record["measure"] == measure and not record["before"] for record in records)
        assert all(math.isfinite(t["rise"]) and "correct" not in t for record in records for t in record["attempts"])


def test_the_untouched_network_teaches_without_changing_and_the_result_differs(tmp_path: Path) -> None:
    plain = run(tmp_path, **PROGRESSIVE, recover={"epochs": 1}, target={"keep": [0.9]})
    taught = run(tmp_path, **PROGRESSIVE, recover={"epochs": 1, "distil": True}, target={"keep": [0.9]})
    assert essence(plain)[0] == essence(taught)[0]
    assert plain.points()[-1].loss != taught.points()[-1].loss


def test_an_int8_point_follows_every_target_and_is_what_its_file_is(tmp_path: Path) -> None:
    folder = run(
        tmp_path, order="channels", criterion="l1", recover={"epochs": 1}, target={"keep": [0.8, 0.6]}, int8=True
    )
    finals = [p for p in folder.points() if p.final]
    small = [p for p in folder.points() if p.stage == "quantized"]
    assert [p.keep for p in small] == [0.8, 0.6]
    for final, int8 in zip(finals, small, strict=True):
        assert not int8.final
        assert (int8.params, int8.macs) == (final.params, final.macs)
        assert int8.bytes < 0.45 * final.bytes
        assert abs(int8.top1 - final.top1) < 0.1
        assert (
            folder.model_file(int8.point, "onnx").stat().st_size
            < 0.6 * folder.model_file(final.point, "onnx").stat().st_size
        )


def test_the_plan_of_many_steps_replays_to_the_same_architecture(alternate: Run) -> None:
    folder = alternate
    last = folder.points()[-1].point
    module, recorded = serialization.read(folder.model_file(last, "plan.json"), folder.model_file(last, "safetensors"))
    assert plan.Plan.from_json(recorded.to_json()) == recorded
    assert len(recorded.steps) == len(folder.points()) - 1
    assert sum(p.numel() for p in module.parameters()) == folder.points()[-1].params


@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", [DIRECT, PROGRESSIVE], ids=["direct", "progressive"])
def test_a_run_killed_in_the_middle_repeats_no_finished_step_and_ends_at_the_same_points(
    method: dict[str, Any], tmp_path: Path
) -> None:
    method = {
        **method,
        "target": {"keep": [0.8, 0.65]},
        "recover": {"epochs": 1, "between_steps_batches": 2},
    }
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({**SMALL, **method}))
    store = Store(tmp_path / "killed", gallery=tmp_path / "none")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.residual", "run", "--spec", str(file), "--results", str(store.root)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    runs = store.root / "runs"
    end = time.monotonic() + 400
    while process.poll() is None and time.monotonic() < end:
        if any('"final": true' in p.read_text() for p in runs.glob("*/points.jsonl")):
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    folder = Run(next(runs.iterdir()))
    kept = [(p.point, p.seconds) for p in folder.points()]
    assert len(kept) >= 3
    Queue(store).resume(folder.id)
    assert execute(folder, pipeline.run) == "done", folder.status().message
    assert [(p.point, p.seconds) for p in folder.points()][: len(kept)] == kept
    steps = [(e["keep"], e["step"]) for e in attempts(folder)]
    assert len(steps) - len(set(steps)) <= 1  # the step that was under way is looked at again
    assert essence(folder) == essence(run(tmp_path / "calm", **method))
