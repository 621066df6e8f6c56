"""The smallest network that keeps an accuracy, with a network of three layers on real digits."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine.errors import RequestError
from engine.pipeline import run as pipeline
from engine.pipeline.smallest import tries
from engine.pipeline.start.pruned_start import point_file
from engine.spec.run import parse
from engine.storage.folders.run import Run
from engine.storage.records.event import Event
from engine.storage.store import Store
from engine.zoo.own import listing

NET = """
from torch import nn

def build(num_classes):
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(24, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(96, num_classes),
    )
"""
LOSE: dict[str, Any] = {
    "data": {"name": "digits", "limit": 400},
    "train": {"epochs": 4, "batch_size": 32},
    "order": "channels",
    "criterion": "l1",
    "target": {"lose": 4.0},
    "recover": {"epochs": 0},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network of the user's own, as named in a terminal."""
    file = tmp_path_factory.mktemp("net") / "three_layers.py"
    file.write_text(NET)
    return listing.enter(f"{file}:build")


def begin(results: Path, model: str, **changes: Any) -> Run:
    return Store(results, gallery=results / "none").create(parse({**LOSE, "model": model, **changes}), foreground=True)


def run(results: Path, model: str, **changes: Any) -> Run:
    folder = begin(results, model, **changes)
    pipeline.run(folder.spec(), folder)
    return folder


@pytest.fixture(scope="module")
def finished(results: Path, model: str) -> Run:
    return run(results, model)


def test_the_answer_is_the_smallest_try_that_keeps_the_accuracy(finished: Run) -> None:
    baseline, *tried, answer = finished.points()
    least = baseline.val_top1 - 0.04
    kept = [point for point in tried if point.val_top1 >= least]
    assert 0 < len(kept) < len(tried)
    assert answer.macs == min(point.macs for point in kept) < baseline.macs
    assert answer.final and answer.stage == "reconstructed" and answer.step is None
    assert answer.val_top1 >= least


def test_the_test_split_is_touched_for_the_baseline_and_the_answer_alone(finished: Run) -> None:
    baseline, *tried, answer = finished.points()
    assert baseline.top1 is not None and answer.top1 is not None and answer.total == baseline.total
    assert [point.step for point in tried] == list(range(1, len(tried) + 1))
    assert all((p.top1, p.top5, p.loss, p.correct, p.latency) == (None, None, None, None, ()) for p in tried)
    assert all(point.val_total == baseline.val_total and point.reconstruction for point in tried)
    assert sorted(file.name for file in (finished.path / "models").glob("*.onnx")) == [
        "p0.onnx",
        f"p{answer.point}.onnx",
    ]
    assert not finished.checkpoint.exists()


def test_the_answer_says_what_was_tried_and_how_sure_it_is(finished: Run) -> None:
    baseline, *tried, answer = finished.points()
    said = answer.answer
    assert said is not None and (said.tries, said.images) == (len(tried), baseline.val_total)
    assert said.lost == pytest.approx(baseline.val_top1 - answer.val_top1)
    assert said.low < said.lost < said.high and said.least == pytest.approx(baseline.val_top1 - 0.04)
    assert answer.note is not None and f"the smallest of {len(tried)} tries" in answer.note


def test_a_run_with_the_ratio_that_was_found_makes_the_same_network(results: Path, model: str, finished: Run) -> None:
    answer = finished.points()[-1]
    alone = run(results, model, target={"keep": [answer.keep]})
    ratio_point = alone.points()[-1]
    assert ratio_point.widths == answer.widths and ratio_point.val_top1 == answer.val_top1
    one, other = (
        load_file(folder.model_file(point.point, "safetensors"))
        for folder, point in ((finished, answer), (alone, ratio_point))
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


class Stopped(Exception):
    pass


def test_a_search_that_is_stopped_again_and_again_tries_nothing_twice(
    results: Path, model: str, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin(results, model)
    append, measure = Run.append_event, tries.hits
    limit, measured = 0, 0

    def stop_at_limit(self: Run, event: Event) -> None:
        nonlocal limit
        limit -= 1
        if limit < 0:
            raise Stopped
        append(self, event)

    def count(*arguments: Any) -> torch.Tensor:
        nonlocal measured
        measured += 1
        return measure(*arguments)

    monkeypatch.setattr(Run, "append_event", stop_at_limit)
    monkeypatch.setattr(tries, "hits", count)
    for _stops in range(40):
        limit = 15
        try:
            pipeline.run(folder.spec(), folder)
            break
        except Stopped:
            continue
    assert _stops >= 2
    ours, theirs = ([point.without_clock() for point in each.points()] for each in (folder, finished))
    assert ours == theirs
    assert measured == len(folder.points()) - 2


def test_other_criteria_have_to_come_further_than_the_first(results: Path, model: str, finished: Run) -> None:
    folder = run(results, model, target={"lose": 4.0, "also_criteria": ["random"]})
    baseline, *tried, answer = folder.points()
    first = [point for point in tried if point.criterion == "l1"]
    others = [point for point in tried if point.criterion == "random"]
    assert [point.keep for point in first] == [point.keep for point in finished.points()[1:-1]]
    assert others and max(point.keep for point in others) < min(
        point.keep for point in first if point.val_top1 >= baseline.val_top1 - 0.04
    )
    assert answer.criterion in ("l1", "random") and f"by {answer.criterion}" in str(answer.note)
    assert {point.trajectory for point in tried} == {"l1", "random"}


def test_recovery_comes_once_for_the_network_that_was_found(results: Path, model: str) -> None:
    folder = run(results, model, recover={"epochs": 1, "reconstruct": False}, int8=True, target={"at_least": 0.5})
    points = folder.points()
    assert [point.stage for point in points[1:-2]] == ["pruned"] * (len(points) - 3)
    answer, twin = points[-2:]
    assert (answer.stage, answer.final, twin.stage) == ("recovered", True, "quantized")
    assert answer.answer is not None and answer.answer.least == 0.5


def test_a_wish_that_cannot_be_met_says_what_can(results: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "hits", lambda _module, split, *_: torch.arange(len(split)) % 2 == 0)
    folder = begin(results, model)
    with pytest.raises(RequestError, match=r"of \d networks tried, .* points .* at 0\.\d+×") as no:
        pipeline.run(folder.spec(), folder)
    assert no.value.field == "target.lose" and all(point.is_try for point in folder.points()[1:])
    tried = len(folder.points())
    with pytest.raises(RequestError, match=str(no.value).split(":")[0]):
        pipeline.run(folder.spec(), folder)
    assert len(folder.points()) == tried, "what was tried is known when it is resumed"
    with pytest.raises(RequestError, match=r"--criterion l1 --keep 0\.614 --recover-epochs 0 makes the same network"):
        point_file(folder, 1, "onnx")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"at_least": 0.9999}, "lies above the untouched network's validation accuracy"),
        ({"lose": 90.0}, "naming the commonest class gives"),
        ({"at_least": 0.01}, "naming the commonest class gives"),
    ],
)
def test_an_accuracy_that_nobody_can_want_is_refused_before_the_first_try(
    results: Path, model: str, target: dict[str, float], words: str
) -> None:
    folder = begin(results, model, target=target)
    with pytest.raises(RequestError, match=words) as no:
        pipeline.run(folder.spec(), folder)
    assert no.value.field == f"target.{next(iter(target))}" and len(folder.points()) == 1
