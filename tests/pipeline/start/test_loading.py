"""What loading decided is said before anything is trained, and a head that nobody trained is not pruned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import RequestError
from engine.pipeline.start import inputs, loading
from engine.spec.run import RunSpec, parse
from engine.zoo import build
from engine.zoo.build import construct


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of ten classes, and images of three and of ten."""
    folder = tmp_path_factory.mktemp("files")
    torch.save(construct("resnet20", 10).state_dict(), folder / "ten.pth")
    for classes in (3, 10):
        labels = np.arange(60) % classes
        images = np.random.default_rng(0).integers(0, 255, (60, 16, 16), np.uint8)
        arrays = {f"{split}_images": images for split in ("train", "test")}
        np.savez(folder / f"{classes}.npz", **arrays, train_labels=labels, test_labels=labels)
    return folder


def request(files: Path, classes: int, **more: Any) -> RunSpec:
    data = {"name": f"npz:{files / f'{classes}.npz'}"}
    return parse({"model": "resnet20", "weights": str(files / "ten.pth"), "data": data, **more})


def test_a_head_that_does_not_fit_is_new_and_said_with_its_epochs(files: Path, tmp_path: Path) -> None:
    decided = loading.decisions(request(files, 3, train={"epochs": 4}), tmp_path)
    assert decided.new_head and decided.summary.classes == 3
    assert (
        "head replaced: 10 → 3 classes" in decided.notes and "the head is new: 4 epochs before pruning" in decided.notes
    )
    fitting = loading.decisions(request(files, 10), tmp_path)
    assert not fitting.new_head and not [note for note in fitting.notes if "head" in note]


def test_a_new_head_without_epochs_is_refused_before_anything_is_trained(files: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="leave the head untrained") as caught:
        inputs.prepare(request(files, 3, train={"epochs": 0}), tmp_path)
    assert caught.value.field == "train.epochs"
    inputs.prepare(request(files, 10, train={"epochs": 0}), tmp_path)


def test_normalisation_is_said_with_who_chose_it(files: Path, tmp_path: Path) -> None:
    asked = request(files, 10)
    chosen = asked.model_copy(update={"data": asked.data.model_copy(update={"normalize": "cifar10"})})
    for spec, end in ((asked, "(--normalize changes that)"), (chosen, "as asked")):
        (said,) = [note for note in loading.decisions(spec, tmp_path).notes if note.startswith("normalised by")]
        assert said.endswith(end)


def test_what_is_not_pruned_is_named_with_the_reason(files: Path, tmp_path: Path) -> None:
    notes = loading.decisions(request(files, 10, keep_layers=["layer1.*"]), tmp_path).notes
    assert "layer fc keeps its 10 outputs, which are the classes" in notes
    assert any(note.startswith("2 of 9 blocks have to stay: layer2.0 (it changes the shape") for note in notes)
    assert any("kept as asked" in note and "layer1.*" in note for note in notes)
    channels = loading.decisions(request(files, 10, order="channels"), tmp_path).notes
    assert not any("blocks" in note for note in channels)


def test_published_weights_are_decided_on_without_fetching_them(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "fetch", None)
    spec = request(files, 3).model_copy(update={"weights": "hub"})
    decided = loading.decisions(spec, tmp_path)
    assert decided.new_head and "head replaced: 10 → 3 classes" in decided.notes
    assert any(note.endswith("the weights' own") for note in decided.notes)
