"""A run that starts from a pruned network: it goes on as if nobody had stopped, and its plan is the whole one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import RequestError
from engine.pipeline import single_steps
from engine.pipeline.start import pruned_start
from engine.pipeline.start.inputs import load_network
from engine.pipeline.summaries import summary_of
from engine.spec.run import parse
from engine.storage.folders.run import Run
from engine.surgery import plan, serialization
from engine.zoo.build import build
from tests.pipeline.test_methods import PROGRESSIVE, run
from tests.support import residual

KEEP = 0.5
FEW: dict[str, Any] = {"data": {"name": "digits", "limit": 120}}
STEPS: dict[str, Any] = {**FEW, **PROGRESSIVE}
ONE_SHOT: dict[str, Any] = {**FEW, "order": "layers-channels", "recover": {"epochs": 1}}


def same_weights(one: Path, other: Path) -> bool:
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def weights(folder: Run, point: int) -> Path:
    return folder.model_file(point, "safetensors")


def go_on(folder: Run, point: int, **changes: Any) -> Run:
    """A run from a point to half of the MACs of its run's baseline."""
    points = folder.points()
    share = KEEP * points[0].macs / points[point].macs
    return run(folder.path.parents[1], weights=f"{folder.id}:{point}", target={"keep": [share]}, **changes)


@pytest.fixture(scope="module")
def progressive(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("results"), **STEPS, target={"keep": [KEEP]})


@pytest.fixture(scope="module")
def continued(progressive: Run) -> Run:
    return go_on(progressive, 1, **STEPS)


def test_a_stepwise_run_that_goes_on_from_a_point_ends_as_one_without_a_stop(progressive: Run, continued: Run) -> None:
    whole, rest = progressive.points(), continued.points()
    assert len(whole) > 2, "there is a step left to take"
    assert len(rest) == len(whole) - 1
    for number, point in enumerate(rest):
        assert same_weights(weights(continued, number), weights(progressive, number + 1))
        assert point.correct == whole[number + 1].correct and point.macs == whole[number + 1].macs


def test_one_phase_after_the_other_in_two_runs_is_both_in_one(tmp_path: Path) -> None:
    both = run(tmp_path, **ONE_SHOT, target={"keep": [KEEP]})
    channels = go_on(both, 2, **ONE_SHOT | {"order": "channels"})
    assert [p.stage for p in channels.points()] == ["baseline", "reconstructed", "recovered"]
    assert all(same_weights(weights(channels, n), weights(both, n + 2)) for n in range(3))
    assert both.points()[2].blocks_removed and channels.points()[0].blocks_removed == ()


def test_the_plan_of_a_run_from_a_point_replays_on_the_untouched_network(progressive: Run, continued: Run) -> None:
    whole = serialization.read_plan(progressive.model_file(len(progressive.points()) - 1, "plan.json"))
    last = len(continued.points()) - 1
    assert serialization.read_plan(continued.model_file(last, "plan.json")) == whole
    untouched = build(whole.model, whole.classes, whole.image).module
    module, _ = serialization.read(continued.model_file(last, "plan.json"), weights(continued, last))
    shapes = {key: tensor.shape for key, tensor in plan.replay(whole, untouched).state_dict().items()}
    assert shapes == {key: tensor.shape for key, tensor in module.state_dict().items()}


def test_the_run_says_where_it_starts_and_measures_against_that(progressive: Run, continued: Run) -> None:
    notes = next(line["notes"] for line in continued.event_lines() if line["kind"] == "start")
    start = f"starts from {progressive.id}:1 (1 cut of a {residual.NAME}), which is this run's baseline"
    assert start in " ".join(notes)
    baseline, final = continued.points()[0], continued.points()[-1]
    assert baseline.macs == progressive.points()[1].macs and baseline.got.macs == 1
    assert final.got.macs == final.macs / baseline.macs
    assert all(width == kept for width, kept in baseline.widths.values())


def test_a_preview_of_it_is_of_the_pruned_network_and_kept(progressive: Run) -> None:
    results, spec = progressive.path.parents[1], progressive.spec()
    name = f"{progressive.id}:1"
    assert summary_of(residual.NAME, name, spec.data, results).macs == progressive.points()[1].macs
    assert [file.stem for file in (results / "sheets").glob(f"*{progressive.id}-1*")]
    with pytest.raises(RequestError, match=rf"is a pruned {residual.NAME}, and the model asked for is resnet56"):
        summary_of("resnet56", name, spec.data, results)
    with pytest.raises(RequestError, match="has no point 99"):
        summary_of(residual.NAME, f"{progressive.id}:99", spec.data, results)
    with pytest.raises(RequestError, match="there is no run 20000101-000000-00000000"):
        summary_of(residual.NAME, "20000101-000000-00000000:1", spec.data, results)


def test_a_network_of_the_gallery_is_gone_on_from_though_its_run_comes_without_the_baseline(tmp_path: Path) -> None:
    start = pruned_start.find("20261121-062642-6164d5fc:4", tmp_path)
    assert start is not None and start.origin is None
    assert (start.plan.model, start.points_before) == ("resnet20", 4)


def with_plan(folder: Run, point: int, path: Path, **metadata: str) -> Path:
    """The weights of a point as a file that carries its plan."""
    text = json.dumps(json.loads(folder.model_file(point, "plan.json").read_text()))
    save_file(load_file(weights(folder, point)), path, {"plan": text, **metadata})
    return path


def test_a_file_that_carries_its_plan_is_the_pruned_network_by_itself(progressive: Run, tmp_path: Path) -> None:
    values = {"mean": "[0.1, 0.2, 0.3]", "std": "[0.4, 0.5, 0.6]"}
    file = with_plan(progressive, 1, tmp_path / "half.bin", **values)
    spec = progressive.spec().model_copy(update={"weights": str(file)})
    inputs = load_network(spec)
    assert inputs.network.structure.summary.macs == progressive.points()[1].macs
    assert inputs.data.mean == (0.1, 0.2, 0.3) and inputs.zoo_model.pretrained
    assert single_steps.export_file(file, 13, tmp_path / "half.onnx")["bytes"] > 10_000
    beside = load_network(spec.model_copy(update={"weights": str(weights(progressive, 1))}))
    assert beside.network.plan == inputs.network.plan, "earlier versions wrote the plan beside the weights"


def test_a_pruned_network_takes_data_of_other_classes_with_a_fresh_head(progressive: Run) -> None:
    start = pruned_start.find(f"{progressive.id}:1", progressive.path.parents[1])
    assert start is not None
    model, whole = pruned_start.load(start, residual.NAME, 4, (3, 24, 24), seed=1)
    assert not model.pretrained and "head replaced: 10 → 4 classes" in model.notes
    assert (whole.classes, whole.image) == (4, (3, 24, 24))
    assert model.module(torch.zeros(2, 3, 24, 24)).shape == (2, 4)


DAMAGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "no JSON": lambda plan: "{",
    "a step that is none": lambda plan: json.dumps({**plan, "steps": [{"run": "code"}]}),
    "an unknown model": lambda plan: json.dumps({**plan, "model": "os.system"}),
    "another network's channels": lambda plan: json.dumps({**plan, "steps": [{"drop_channels": {"conv9": [0]}}]}),
    "other weights": lambda plan: json.dumps({**plan, "steps": [{"remove_blocks": ["layer1.1"]}]}),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_with_a_damaged_plan_is_refused_in_one_sentence(name: str, progressive: Run, tmp_path: Path) -> None:
    raw = json.loads(progressive.model_file(1, "plan.json").read_text())
    save_file(load_file(weights(progressive, 1)), tmp_path / "w", {"plan": str(DAMAGED[name](raw))})
    request = {"model": residual.NAME, "weights": str(tmp_path / "w"), "data": {"name": "digits", "limit": 60}}
    with pytest.raises(RequestError) as caught:
        load_network(parse(request))
    assert "\n" not in str(caught.value)
