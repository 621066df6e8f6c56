"""A network carried over to another domain and pruned: by every method, and no label of the target decides anything."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import RequestError, WorkError
from engine.pipeline import run as pipeline
from engine.pipeline import transfer
from engine.spec.run import parse
from engine.storage.folders.run import Run
from engine.storage.records.event import Event
from engine.storage.store import Store
from engine.train.pseudo_labels import NOBODY
from tests.support import residual, tiny

PROGRESSIVE = {
    "order": "channels",
    "criterion": "taylor",
    "width": {"method": "progressive", "attempt_fraction": 0.4, "layers_per_step": 0.8},
    "target": {"keep": [0.8, 0.6]},
    "recover": {"epochs": 1, "between_steps_batches": 1},
    "transfer": {"confidence": 0.3, "refresh": 1},
    "attempt": {"measure": "divergence"},
}


def write_domain(path: Path, *, seed: int, dim: float = 1.0, shuffled: bool = False) -> str:
    """An npz file of the tiny images, dimmed; `shuffled` are the training labels, and no test label."""
    arrays = {}
    for name, count in (("train", 80), ("test", 40)):
        part = tiny.split(count, seed + len(name))
        images = (part.images.float() * dim).to(torch.uint8)
        labels = part.labels
        if shuffled and name == "train":
            labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(4))]
        arrays |= {f"{name}_images": images.permute(0, 2, 3, 1).numpy(), f"{name}_labels": labels.numpy()}
    np.savez(path, **arrays)
    return f"npz:{path}"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("domains")
    return f"{write_domain(folder / 'a.npz', seed=1)}>{write_domain(folder / 'b.npz', seed=2, dim=0.5)}"


def settings(pair: str, **changes: Any) -> dict[str, Any]:
    usual = {"model": residual.NAME, "data": {"name": pair}, "train": {"epochs": 3, "batch_size": 32}}
    return {**usual, "device": "cpu", **changes}


def run(results: Path, pair: str, **changes: Any) -> Run:
    store = Store(results, gallery=results / "none")
    folder = store.create(parse(settings(pair, **changes)), foreground=True)
    pipeline.run(folder.spec(), folder)
    return folder


def essence(folder: Run) -> list[dict[str, Any]]:
    return [point.without_clock() for point in folder.points()]


@pytest.fixture(scope="module")
def finished(pair: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("results"), pair, **PROGRESSIVE)


def test_points_have_the_accuracy_on_both_domains_and_are_known_by_the_targets(finished: Run) -> None:
    for point in finished.points():
        assert point.target_top1 == point.top1
        assert point.source_top1 is not None
        assert point.total == 40
    assert [p.keep for p in finished.points() if p.final] == [0.8, 0.6]


def test_the_record_says_how_many_names_there_were_and_after_the_end_how_many_were_right(finished: Run) -> None:
    made = [line for line in finished.event_lines() if line["kind"] == "pseudo_labels"]
    answers = [line for line in finished.event_lines() if line["kind"] == "pseudo_label_answers"]
    assert made[0]["stage"] == "baseline"
    assert all(0 < line["taken"] <= line["of"] == 80 for line in made)
    assert [line["point"] for line in answers] == [point.point for point in finished.points()]
    assert all(0 <= line["correct"] <= line["taken"] for line in answers)
    assert finished.event_lines()[-1]["kind"] == "done"
    steps = [point for point in finished.points() if point.step is not None]
    assert len(made) == len(steps) >= 2  # the first step has those of the baseline


def test_what_goes_along_with_a_network_is_no_part_of_it(finished: Run) -> None:
    last = finished.points()[-1].point
    adaptation = transfer.read(finished.model_file(last, transfer.SUFFIX))
    assert adaptation is not None
    assert adaptation.reading.weight.shape[1] == 32
    assert len(adaptation.places) == finished.points()[-1].widths["layer2.1.conv2"][1]
    assert (adaptation.labels != NOBODY).any()


def test_what_goes_along_reads_the_features_that_a_cut_left(pair: str, tmp_path: Path) -> None:
    cut = {"order": "channels", "width": {"scope": "uniform"}, "target": {"keep": [0.5]}, "recover": {"epochs": 1}}
    folder = run(tmp_path, pair, train={"epochs": 1, "batch_size": 32}, transfer={"pseudo_labels": False}, **cut)
    last = folder.points()[-1]
    adaptation = transfer.read(folder.model_file(last.point, transfer.SUFFIX))
    assert adaptation is not None and adaptation.reading.weight.shape[1] == 32
    assert len(adaptation.places) == last.widths["layer2.1.conv2"][1] < 32


def test_shuffled_labels_of_the_target_change_no_decision(finished: Run, pair: str, tmp_path: Path) -> None:
    source = pair.partition(">")[0]
    other = write_domain(tmp_path / "b.npz", seed=2, dim=0.5, shuffled=True)
    folder = run(tmp_path, f"{source}>{other}", **PROGRESSIVE)
    assert essence(folder) == essence(finished)
    for line, shuffled in zip(finished.event_lines(), folder.event_lines(), strict=True):
        for each in (line, shuffled):
            for varying in ("t", "seconds", "notes", "correct"):
                each.pop(varying, None)
        assert line == shuffled


class _Stopped(Exception):
    pass


def test_a_run_stopped_at_any_moment_resumes_to_the_same_points(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.train.fit.CHECKPOINT_SECONDS", 0.0)
    folder = Store(tmp_path, gallery=tmp_path / "none").create(finished.spec(), foreground=True)
    original, limit, stops = Run.append_event, 0, 0

    def stop_at_limit(self: Run, event: Event) -> None:
        nonlocal limit
        limit -= 1
        if limit < 0:
            raise _Stopped
        original(self, event)

    monkeypatch.setattr(Run, "append_event", stop_at_limit)
    while True:
        limit = 16
        try:
            pipeline.run(folder.spec(), folder)
            break
        except _Stopped:
            stops += 1
        assert stops < 60
    assert stops >= 3
    assert essence(folder) == essence(finished)


@pytest.mark.parametrize(
    "method",
    [
        {"order": "layers", "depth": {"method": "direct"}, "transfer": {"pseudo_labels": False}},
        {"order": "alternate", "criterion": "l1", "transfer": {"adversarial": False, "confidence": 0.3}},
        {
            "order": "layers-channels",
            "criterion": "obs",
            "recover": {"epochs": 1, "distil": True, "reestimate_bn": True},
            "transfer": {"confidence": 0.3},
            "int8": True,
        },
    ],
    ids=["direct", "alternate", "one-shot"],
)
def test_every_method_works_in_transfer(method: dict[str, Any], pair: str, tmp_path: Path) -> None:
    folder = run(tmp_path, pair, **{"target": {"keep": [0.85]}, "recover": {"epochs": 1}, **method})
    final = next(point for point in folder.points() if point.final)
    assert final.got.macs <= 0.85
    assert final.source_top1 is not None


def test_a_run_from_a_point_goes_on_with_what_went_along_with_it(finished: Run) -> None:
    results = finished.path.parents[1]
    again = run(
        results,
        finished.spec().data.name,
        weights=f"{finished.id}:0",
        order="channels",
        criterion="l1",
        target={"keep": [0.8]},
        recover={"epochs": 0},
        transfer={"confidence": 0.3},
    )
    assert essence(again)[0]["target_top1"] == essence(finished)[0]["target_top1"]
    assert not any(line["kind"] == "epoch" for line in again.event_lines())


def test_weights_that_are_given_are_adapted_first(finished: Run, tmp_path: Path) -> None:
    weights = finished.model_file(0, "safetensors")
    folder = run(
        tmp_path,
        finished.spec().data.name,
        weights=str(weights),
        order="channels",
        criterion="l1",
        target={"keep": [0.8]},
        recover={"epochs": 0},
        transfer={"confidence": 0.3, "adapt_epochs": 2},
    )
    assert [line["epoch"] for line in folder.event_lines() if line["kind"] == "epoch"] == [1, 2]


def test_a_network_that_is_certain_of_nothing_is_refused_after_its_baseline_is_kept(pair: str, tmp_path: Path) -> None:
    store = Store(tmp_path, gallery=tmp_path / "none")
    spec = parse(settings(pair, **{**PROGRESSIVE, "transfer": {"confidence": 0.9999999}}))
    folder = store.create(spec, foreground=True)
    with pytest.raises(WorkError, match=r"names no image of .* lower it \(--confidence\)"):
        pipeline.run(spec, folder)
    assert [point.stage for point in folder.points()] == ["baseline"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": {"name": "digits"}, "transfer": {"confidence": 0.5}}, "transfer.confidence is of a pair"),
        ({"transfer": {"pseudo_labels": False, "refresh": 3}}, "transfer.refresh is of pseudo-labels"),
        ({"transfer": {"adversarial": False, "adapt_epochs": 3}}, "is of domain-adversarial training"),
        ({"target": {"lose": 1.0}}, "needs labelled validation images"),
    ],
)
def test_what_would_do_nothing_is_refused(changes: dict[str, Any], says: str, pair: str) -> None:
    with pytest.raises(RequestError, match=says):
        parse(settings(pair, **changes))
