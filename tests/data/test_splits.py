"""Splits by the names that they have elsewhere, and cut from train where they are not there."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.data.load import Data, check_images, load, outline
from engine.errors import RequestError
from engine.spec.run import DataSpec
from engine.zoo.makers import made_for
from tests.data.test_folder import read, refusal, root, write  # noqa: F401 - a fixture
from tests.support.places import ROOT


def sizes(data: Data) -> tuple[int, int, int]:
    return len(data.train), len(data.val), len(data.test)


@pytest.mark.parametrize("name", ["valid", "validation", "dev", "Val"])
def test_a_validation_split_may_be_called_as_elsewhere(name: str, root: Path) -> None:  # noqa: F811
    for label in ("cat", "dog"):
        write(root / name / label / "a.png", grey=200)
    data = read(root)
    assert sizes(data) == (8, 2, 4)
    assert data.val.images is not None and data.val.images.unique().tolist() == [200]
    assert f"val split: {name}/" in data.notes
    write(root / "val" / "cat" / "a.png") if name != "Val" else write(root / "dev" / "cat" / "a.png")
    assert "and one val split is taken; rename one" in refusal(root)


def test_a_test_split_that_is_not_there_is_cut_with_the_seed(root: Path) -> None:  # noqa: F811
    (root / "test").rename(root / "val")
    for index in range(4, 10):
        for label, name in enumerate(("cat", "dog")):
            write(root / "train" / name / f"{index}.png", grey=50 * label + index)
    data, again, other = (load(DataSpec(name=f"folder:{root}"), seed) for seed in (0, 0, 1))
    assert sizes(data) == (16, 4, 4)
    assert data.test.labels.bincount().tolist() == [2, 2]
    assert data.test.images is not None and again.test.images is not None and other.test.images is not None
    assert torch.equal(data.test.images, again.test.images)
    assert not torch.equal(data.test.images, other.test.images)
    assert "test split: 20% of train (4 images), seed 0" in data.notes


def test_class_folders_alone_are_all_splits(root: Path) -> None:  # noqa: F811
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            for file in (root / part / name).iterdir():
                target = root / name / f"{part}-{file.name}"
                target.parent.mkdir(exist_ok=True)
                file.rename(target)
            (root / part / name).rmdir()
        (root / part).rmdir()
    data = read(root)
    assert (data.classes, sizes(data)) == (("cat", "dog"), (8, 2, 2))
    assert "no train/ in the folder: its own folders are the classes" in data.notes
    assert any(note.startswith("test split: 20% of train (2 images)") for note in data.notes)


def test_a_test_split_without_train_is_refused(root: Path) -> None:  # noqa: F811
    (root / "train").rename(root / "other")
    assert "has no train/ in it; it needs train/ with one folder of images a class" in refusal(root)
    (root / "test").rename(root / "other" / "train")
    assert f"; did you mean folder:{root / 'other'}?" in refusal(root)


def test_a_test_folder_of_images_without_classes_is_refused(root: Path) -> None:  # noqa: F811
    for name in ("cat", "dog"):
        (root / "test" / name).rename(root / name)
    write(root / "test" / "unknown.png")
    assert "test holds 1 image and no folder; it needs one folder of images a class; without test/, a" in refusal(root)


def test_a_class_may_be_empty_in_test_and_that_is_said(root: Path) -> None:  # noqa: F811
    for file in (root / "test" / "cat").iterdir():
        file.unlink()
    data = read(root)
    assert data.test.labels.tolist() == [1, 1]
    assert "test has no image of 1 class: cat" in data.notes
    (root / "test" / "dog").rename(root / "test" / "Dog")
    assert "has a folder 'Dog', which is no class of train/; there it is called 'dog'" in refusal(root)


def test_names_that_are_numbers_are_sorted_as_text_and_that_is_said(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in range(11):
            for index in range(3):
                write(tmp_path / part / str(name) / f"{index}.png")
    data = load(DataSpec(name=f"folder:{tmp_path}"), 0)
    assert data.classes[:4] == ("0", "1", "10", "2")
    assert "classes are in the order of their names as text: 0, 1, 10, …" in data.notes


def test_broken_images_of_all_splits_are_named_in_one_sentence(
    root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = np.random.default_rng(0).integers(256, size=(8, 10, 3), dtype=np.uint8)
    from PIL import Image

    for part in ("train", "test"):
        Image.fromarray(noise).save(root / part / "cat" / "0.png")
        content = (root / part / "cat" / "0.png").read_bytes()
        (root / part / "cat" / "0.png").write_bytes(content[:150])
    sentence = refusal(root)
    assert sentence.startswith("cannot read 2 images: ") and sentence.count("/cat/0.png (") == 2
    monkeypatch.setattr("engine.data.folder.IN_MEMORY_BYTES", 100)
    data = read(root)
    with pytest.raises(RequestError, match=r"^cannot read 2 images: .*/cat/0\.png: .*; mend or remove them$"):
        check_images(data)
    with pytest.raises(RequestError, match="--check-images decodes image files, and digits has none; leave it out"):
        check_images(load(DataSpec(name="digits", limit=20), 0))


def test_the_outline_says_the_same_as_loading_before_any_image_is_decoded(root: Path, tmp_path: Path) -> None:  # noqa: F811
    (root / "test").rename(root / "dev")
    write(root / "train" / "cat" / "large.png", size=(300, 200))
    images = np.zeros((20, 8, 8), np.uint8)
    np.savez(tmp_path / "d.npz", train_images=images, train_labels=np.arange(20) % 4)
    names = [f"folder:{root}", f"npz:{tmp_path / 'd.npz'}"]
    code = f"""
import json, sys
from engine.data.load import outline
from engine.zoo.makers import made_for
from engine.spec.run import DataSpec
known = [outline(DataSpec(name=name, limit=6), 3, made_for("resnet20")) for name in {names!r}]
assert "torch" not in sys.modules
print(json.dumps([[o.classes, o.image, o.notes] for o in known]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for name, (classes, image, notes) in zip(names, json.loads(done.stdout), strict=True):
        data = load(DataSpec(name=name, limit=6), 3, made_for("resnet20"))
        known = [note for note in data.notes if "is cut without an image" not in note]
        assert (len(data.classes), list(data.image[1:]), known) == (classes, image, notes)
    assert outline(DataSpec(name="digits"), 0, made_for("resnet20")).image == (16, 16)
