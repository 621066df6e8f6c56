"""folder: data and ImageNet from disk: one size, in memory or not, and clear refusals."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.data import folder
from engine.data.load import Data, load
from engine.data.loader import batches
from engine.errors import RequestError, WorkError
from engine.spec.run import DataSpec


def write(path: Path, size: tuple[int, int] = (10, 8), grey: int = 100, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, grey, grey)).convert(mode).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, four training and two test images each, 8 px high and 10 px wide."""
    for label, name in enumerate(("cat", "dog")):
        for index in range(4):
            write(tmp_path / "train" / name / f"{index}.png", grey=50 * label + index)
        for index in range(2):
            write(tmp_path / "test" / name / f"{index}.png", grey=50 * label + index)
    return tmp_path


def read(root: Path) -> Data:
    return load(DataSpec(name=f"folder:{root}", val_fraction=0.25), 0)


def refusal(root: Path) -> str:
    with pytest.raises(RequestError) as caught:
        read(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_classes_are_the_folders_and_images_come_out_as_they_were(root: Path) -> None:
    data = read(root)
    assert (data.classes, data.image, len(data.train), len(data.val)) == (("cat", "dog"), (3, 8, 10), 6, 2)
    assert data.test.images is not None
    assert data.test.images[:, 0, 0, 0].tolist() == [0, 1, 50, 51]
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    assert "images are 8×10 px" in data.notes


def test_images_of_other_sizes_and_modes_are_brought_to_the_commonest_size(root: Path) -> None:
    write(root / "train" / "cat" / "0.png", size=(20, 16))
    write(root / "test" / "cat" / "0.png", grey=77, mode="L")
    write(root / "test" / "dog" / "1.png", grey=102, mode="P")
    data = read(root)
    assert data.image == (3, 8, 10)
    assert data.test.images is not None
    assert set(data.test.images[0].flatten().tolist()) == {77}
    assert set(data.test.images[3].flatten().tolist()) == {102}
    assert any("1 of 12 were resized to it" in note for note in data.notes)


def test_a_val_folder_is_used(root: Path) -> None:
    for name in ("cat", "dog"):
        write(root / "val" / name / "a.jpg")
    data = read(root)
    assert (len(data.train), len(data.val)) == (8, 2)


def test_a_set_too_large_for_memory_gives_the_same_batches_from_disk(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = read(root)
    monkeypatch.setattr(folder, "IN_MEMORY_BYTES", 100)
    data = read(root)
    assert data.train.images is None
    assert any("read from disk" in note for note in data.notes)
    state = torch.get_rng_state()
    for split, same in ((data.train, parts.train), (data.test, parts.test)):
        for seed in (None, 3):
            ours = list(batches(split, data, 4, "cpu", augment=seed is not None, seed=seed))
            theirs = list(batches(same, parts, 4, "cpu", augment=seed is not None, seed=seed))
            assert len(ours) == len(theirs)
            for (x, y), (u, v) in zip(ours, theirs, strict=True):
                assert torch.equal(x, u)
                assert torch.equal(y, v)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_image_that_vanishes_while_it_is_read_is_one_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "IN_MEMORY_BYTES", 100)
    data = read(root)
    (root / "test" / "cat" / "1.png").unlink()
    with pytest.raises(WorkError, match=r"^cannot read the image .*1\.png: [^\n]*$"):
        list(batches(data.test, data, 2, "cpu"))


def test_missing_parts_are_named(root: Path) -> None:
    assert "there is no image folder" in refusal(root / "nowhere")
    (root / "test").rename(root / "tset")
    assert "1 folder beside the splits not read: tset" in read(root).notes
    (root / "train").rename(root / "niart")
    assert "has no train/ in it" in refusal(root)


def test_empty_folders_are_refused(root: Path) -> None:
    for name in ("cat", "dog"):
        for index in range(2):
            (root / "test" / name / f"{index}.png").unlink()
    assert "holds no image" in refusal(root)
    for name in ("cat", "dog"):
        (root / "test" / name).rmdir()
    assert "is empty; it needs one folder of images a class" in refusal(root)


def test_class_folders_must_agree(root: Path) -> None:
    write(root / "test" / "cow" / "0.png")
    assert "has a folder 'cow', which is no class of train/" in refusal(root)
    write(root / "train" / "cow" / "0.png")
    write(root / "train" / "owl" / "0.png")
    assert "test has no image of 1 class: owl" in read(root).notes


@pytest.mark.parametrize("part", ["header", "body"])
def test_an_unreadable_image_is_named(root: Path, part: str) -> None:
    bad = root / "train" / "dog" / "2.png"
    if part == "header":
        bad.write_bytes(b"no image at all")
    else:
        noise = np.random.default_rng(0).integers(256, size=(8, 10, 3), dtype=np.uint8)
        Image.fromarray(noise).save(bad)
        bad.write_bytes(bad.read_bytes()[:150])
    assert f"cannot read the image {bad}" in refusal(root)


def test_imagenet_is_read_from_disk_at_224_px_with_its_val_folder_as_test(tmp_path: Path) -> None:
    for name in ("n01", "n02"):
        for index in range(2):
            write(tmp_path / "train" / name / f"{index}.JPEG", size=(300, 260), grey=90)
        write(tmp_path / "val" / name / "0.JPEG", size=(40, 70), grey=90)
    data = load(DataSpec(name="imagenet", root=str(tmp_path), val_fraction=0.25), 0)
    assert (data.image, len(data.train), len(data.val), len(data.test)) == ((3, 224, 224), 3, 1, 2)
    [(x, y)] = batches(data.test, data, 8, "cpu")
    assert x.shape == (2, 3, 224, 224)
    assert y.tolist() == [0, 1]
    assert x[0, 0, 5, 5].item() == pytest.approx((90 / 255 - 0.485) / 0.229, abs=0.03)


def test_imagenet_needs_a_root_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"imagenet needs data\.root, the folder with"):
        load(DataSpec(name="imagenet"), 0)
    with pytest.raises(RequestError, match=f"there is no folder {tmp_path / 'none'}"):
        load(DataSpec(name="imagenet", root=os.fspath(tmp_path / "none")), 0)
    with pytest.raises(RequestError, match="has no train/ in it"):
        load(DataSpec(name="imagenet", root=os.fspath(tmp_path)), 0)
