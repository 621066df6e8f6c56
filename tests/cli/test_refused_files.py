"""Weights and data that are not what their name says: refused by run, submit, scores and sheet alike."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.zoo.build import build

Refused = Callable[..., str]
IMAGE = (3, 16, 16)


class Evil:
    """What a pickle would call when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def everywhere(refused: Refused, *flags: str) -> set[str]:
    """What every command that reads weights and data says about them."""
    sentences = {refused(command, *flags, "--keep", "0.5") for command in ("run", "submit")}
    sentences.add(refused("scores", "--criterion", "l1", "--scope", "blocks", *flags))
    sentences.add(refused("sheet", *flags))
    return sentences


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def test_weights_that_are_missing(refused: Refused, weights: Path) -> None:
    assert all(
        "there is no weights file" in s for s in everywhere(refused, "--data", "digits", "--weights", str(weights))
    )


def test_weights_that_are_a_folder(refused: Refused, tmp_path: Path) -> None:
    for sentence in everywhere(refused, "--data", "digits", "--weights", str(tmp_path)):
        assert "is a folder" in sentence or "is not a file" in sentence


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut off", b"\x80\x04N."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_that_are_corrupt(refused: Refused, tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"w{suffix}"
    file.write_bytes(content)
    sentence = refused("submit", "--data", "digits", "--weights", str(file))
    assert "corrupt" in sentence or "hold no state dict" in sentence


@pytest.mark.parametrize("how", ["plain pickle", "torch.save", "inside a checkpoint"])
def test_a_pickle_that_would_run_code_does_not(refused: Refused, weights: Path, tmp_path: Path, how: str) -> None:
    evil = Evil(tmp_path / "ran")
    if how == "plain pickle":
        weights.write_bytes(pickle.dumps(evil))
    else:
        torch.save(evil if how == "torch.save" else {"state_dict": {"conv1.weight": evil}}, weights)
    sentences = everywhere(refused, "--data", "digits", "--weights", str(weights))
    assert not (tmp_path / "ran").exists()
    assert all("would run code" in s or "corrupt" in s for s in sentences)


def test_weights_of_another_architecture(refused: Refused, weights: Path) -> None:
    torch.save(build("resnet32", 10, IMAGE).module.state_dict(), weights)
    for sentence in everywhere(refused, "--data", "digits", "--weights", str(weights)):
        assert "do not fit resnet20" in sentence and "they fit resnet32" in sentence


def test_weights_with_numbers_that_are_not_finite(refused: Refused, tmp_path: Path) -> None:
    state = build("resnet20", 10, IMAGE).module.state_dict()
    state["conv1.weight"] = torch.full_like(state["conv1.weight"], float("nan"))
    save_file(state, tmp_path / "w.safetensors")
    assert "not finite" in refused("submit", "--data", "digits", "--weights", str(tmp_path / "w.safetensors"))


def arrays(**changes: Any) -> dict[str, Any]:
    images, labels = np.zeros((20, 16, 16), np.uint8), np.arange(20) % 2
    complete = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    return {key: value for key, value in {**complete, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (arrays(test_labels=None), "lacks test_labels"),
        (arrays(train_images=None, train_labels=None), "lacks train_images, train_labels"),
        (arrays(train_images=np.full((20, 16, 16), 255, np.float32)), "train_images has pixels that are floats"),
        (arrays(train_labels=np.arange(20) % 2 + 1), "--labels from-1 counts the 2 classes from 1"),
        (arrays(train_labels=np.zeros(20, np.float64)), "train_labels is of float64"),
        (arrays(train_labels=np.array([{}] * 20, object)), "never unpickled"),
        (arrays(train_images=np.zeros((20, 16), np.uint8)), "shape 20×16"),
        (arrays(train_labels=np.zeros(19, np.int64)), "19 labels"),
        (arrays(test_labels=np.arange(20)), "of which train has no image"),
    ],
)
def test_an_npz_with_something_wrong_in_it(
    refused: Refused, tmp_path: Path, content: dict[str, Any], fragment: str
) -> None:
    np.savez(tmp_path / "d.npz", **content)
    for sentence in (refused(command, "--data", f"npz:{tmp_path / 'd.npz'}") for command in ("run", "submit", "sheet")):
        assert fragment in sentence


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"words", b"\x93NUMPY"])
def test_an_npz_that_is_none(refused: Refused, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.npz").write_bytes(content)
    assert "is not an npz archive" in refused("submit", "--data", f"npz:{tmp_path / 'd.npz'}")


def test_an_npz_that_is_missing_or_a_folder(refused: Refused, tmp_path: Path) -> None:
    assert "there is no npz file" in refused("submit", "--data", f"npz:{tmp_path / 'absent.npz'}")
    assert "folder:PATH" in refused("submit", "--data", f"npz:{tmp_path}")


def image_folder(root: Path, *classes: str) -> Path:
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (16, 16)).save(root / name / f"{number}.png")
    return root


def test_image_folders_that_lack_something(refused: Refused, tmp_path: Path) -> None:
    arguments = ("submit", "--data", f"folder:{tmp_path / 'd'}")
    assert "there is no image folder" in refused(*arguments)
    (tmp_path / "d").mkdir()
    assert "has no train/ in it" in refused(*arguments)
    (tmp_path / "d/train").mkdir()
    assert "is empty" in refused(*arguments)
    image_folder(tmp_path / "d", "train/cat", "train/dog", "test/cat", "test/cow")
    for command in ("submit", "run", "sheet"):
        assert "has a folder 'cow', which is no class of train/" in refused(command, *arguments[1:])
    (tmp_path / "d/train/cow").mkdir()
    assert "holds no image" in refused(*arguments)
    (tmp_path / "d/train/cow").rmdir()
    (tmp_path / "d/test/cow").rename(tmp_path / "d/test/dog")
    (tmp_path / "d/test/dog/0.png").write_bytes(b"no image")
    assert "0.png" in refused(*arguments)


def test_an_image_that_is_cut_off_is_found_before_anything_is_queued_or_run(refused: Refused, tmp_path: Path) -> None:
    image_folder(tmp_path, "train/cat", "train/dog")
    noise = np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "train/cat/0.png")
    content = (tmp_path / "train/cat/0.png").read_bytes()
    (tmp_path / "train/cat/0.png").write_bytes(content[:300])
    for command in ("run", "submit"):
        sentence = refused(command, "--data", f"folder:{tmp_path}", "--check-images")
        assert f"cannot read the image {tmp_path / 'train/cat/0.png'}" in sentence
    assert "--check-images decodes image files, and digits has none" in refused(
        "submit", "--data", "digits", "--check-images"
    )


@pytest.mark.parametrize(
    "plan",
    [
        [],
        {},
        {"plan_version": 2},
        {"plan_version": 1, "model": "resnet20", "classes": 10, "image": "3×16", "steps": []},
        {"plan_version": 1, "model": "resnet20", "classes": 10**14, "image": [3, 16, 16], "steps": []},
        {"plan_version": 1, "model": "resnet21", "classes": 10, "image": [3, 16, 16], "steps": []},
        {"plan_version": 1, "model": "resnet20", "classes": 10, "image": [3, 16, 16], "steps": [{"paint": 1}]},
        {
            "plan_version": 1,
            "model": "resnet20",
            "classes": 10,
            "image": [3, 16, 16],
            "steps": [{"remove_blocks": ["layer1.9"]}],
        },
        {
            "plan_version": 1,
            "model": "resnet20",
            "classes": 10,
            "image": [3, 16, 16],
            "steps": [{"drop_channels": {"layer1.0.conv1": [99]}}],
        },
        {
            "plan_version": 1,
            "model": "resnet20",
            "classes": 10,
            "image": [3, 16, 16],
            "steps": [{"drop_channels": {"layer1.0.conv1": list(range(16))}}],
        },
    ],
)
def test_plans_that_do_not_replay(espalier: Callable[..., Any], tmp_path: Path, plan: Any) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    save_file(build("resnet20", 10, IMAGE).module.state_dict(), tmp_path / "w.safetensors")
    out = tmp_path / "cut.safetensors"
    files = ("--plan", str(tmp_path / "plan.json"), "--weights", str(tmp_path / "w.safetensors"), "--out", str(out))
    answer = espalier("apply", *files)
    assert answer.code in (1, 2) and answer.out == "" and answer.err.count("\n") == 1, answer.err
    assert "should not have happened" not in answer.err
    assert not out.exists()


def test_a_cut_network_never_replaces_what_it_is_made_from(refused: Refused, tmp_path: Path) -> None:
    save_file(build("resnet20", 10, IMAGE).module.state_dict(), tmp_path / "w.safetensors")
    plan = {"plan_version": 1, "model": "resnet20", "classes": 10, "image": [3, 16, 16], "steps": []}
    (tmp_path / "plan.json").write_text(str(plan).replace("'", '"'))
    files = ("--plan", str(tmp_path / "plan.json"), "--weights", str(tmp_path / "w.safetensors"))
    assert "another name" in refused("apply", *files, "--out", str(tmp_path / "w.safetensors"))
    assert "is a folder" in refused("apply", *files, "--out", str(tmp_path))
    assert "there is no folder" in refused("apply", *files, "--out", str(tmp_path / "no/where.safetensors"))
    assert "there is no plan file" in refused("apply", "--plan", "nowhere", *files[2:], "--out", str(tmp_path / "o"))
