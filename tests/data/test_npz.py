"""npz: data: MedMNIST's layout is read, everything else is refused in one sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.data.load import load
from engine.errors import RequestError
from engine.spec.run import DataSpec

Arrays = dict[str, Any]


def arrays(**changes: Any) -> Arrays:
    """Twelve training and four test images of 8×8 px and two classes; a change of None drops the key."""
    rng = np.random.default_rng(0)
    content = {
        "train_images": rng.integers(256, size=(12, 8, 8, 3), dtype=np.uint8),
        "train_labels": (np.arange(12) % 2)[:, None].astype(np.uint8),
        "test_images": rng.integers(256, size=(4, 8, 8, 3), dtype=np.uint8),
        "test_labels": np.array([0, 1, 1, 0], dtype=np.int64),
    }
    return {key: value for key, value in {**content, **changes}.items() if value is not None}


def spec(path: Path, **more: Any) -> DataSpec:
    return DataSpec(name=f"npz:{path}", **more)


def refusal(path: Path) -> str:
    with pytest.raises(RequestError) as caught:
        load(spec(path), 0)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_images_and_labels_come_out_as_they_were(tmp_path: Path) -> None:
    original = arrays()
    np.savez(tmp_path / "d.npz", **original)
    data = load(spec(tmp_path / "d.npz", val_fraction=0.25), seed=0)
    assert (data.image, data.classes, len(data.train), len(data.val)) == ((3, 8, 8), ("0", "1"), 9, 3)
    assert data.test.images is not None
    assert torch.equal(data.test.images, torch.from_numpy(original["test_images"]).permute(0, 3, 1, 2))
    assert data.test.labels.tolist() == [0, 1, 1, 0]
    assert (data.flip, data.crop, data.mean) == (True, 1, (0.485, 0.456, 0.406))


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 1)])
def test_grey_images_are_repeated_to_three_channels(shape: tuple[int, ...], tmp_path: Path) -> None:
    train = np.random.default_rng(1).integers(256, size=(12, *shape[1:]), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", **arrays(train_images=train, test_images=np.full(shape, 7, np.uint8)))
    data = load(spec(tmp_path / "d.npz"), 0)
    assert data.test.images is not None
    assert data.test.images.shape == (4, 3, 8, 8)
    assert bool((data.test.images == 7).all())


def test_its_own_val_split_is_used(tmp_path: Path) -> None:
    val = {"val_images": np.full((2, 8, 8, 3), 9, np.uint8), "val_labels": np.array([[1], [0]])}
    np.savez(tmp_path / "d.npz", **arrays(**val))
    data = load(spec(tmp_path / "d.npz"), 0)
    assert (len(data.train), data.val.labels.tolist(), data.notes) == (12, [1, 0], ())


def test_the_shared_checkpoint_gets_exactly_943_of_1017(shared) -> None:  # type: ignore[no-untyped-def]
    from engine.data.loader import batches
    from engine.zoo.build import build

    data = load(spec(shared("data/cifar10-sample.npz")), 0)
    module = build("resnet56", 10, data.image, str(shared("weights/resnet56-4bfd9763.th"))).module
    with torch.no_grad():
        correct = sum(int((module(x).argmax(1) == y).sum()) for x, y in batches(data.test, data, 256, "cpu"))
    assert (correct, len(data.test)) == (943, 1017)


OBJECTS = np.array([None] * 12, dtype=object)
WRONG: dict[str, tuple[Arrays, str]] = {
    "missing keys": (arrays(train_labels=None, test_images=None), "lacks train_labels, test_images"),
    "val without labels": (arrays(val_images=np.zeros((1, 8, 8), np.uint8)), "lacks val_labels"),
    "object images": (arrays(train_images=OBJECTS), "train_images is an array of objects"),
    "object labels": (arrays(train_labels=OBJECTS), "train_labels is an array of objects"),
    "float images": (
        arrays(train_images=np.full((12, 8, 8, 3), 255.0)),
        "train_images has pixels that are floats from 255 to 255",
    ),
    "float labels": (arrays(test_labels=np.zeros(4)), "test_labels is of float64"),
    "text labels": (arrays(test_labels=np.array(list("abba"))), "test_labels is of <U1"),
    "flat images": (arrays(test_images=np.zeros((4, 64), np.uint8)), "test_images has shape 4×64"),
    "four channels": (arrays(test_images=np.zeros((4, 8, 8, 4), np.uint8)), "test_images has shape 4×8×8×4"),
    "no pixels": (arrays(test_images=np.zeros((4, 0, 8), np.uint8)), "test_images has shape 4×0×8"),
    "several labels": (arrays(test_labels=np.zeros((4, 2), int)), "test_labels has shape 4×2"),
    "counts differ": (arrays(test_labels=np.zeros(3, int)), "test has 4 images and 3 labels"),
    "negative": (arrays(test_labels=np.array([0, 1, -1, 0])), "test_labels goes down to -1"),
    "huge": (
        arrays(test_labels=np.array([0, 1, 2**64 - 1, 0], np.uint64)),
        "test_labels goes up to 18446744073709551615",
    ),
    "not from zero": (arrays(train_labels=np.arange(12) + 100), "train_labels holds 100 to 111"),
    "empty": (arrays(test_images=np.zeros((0, 8, 8), np.uint8), test_labels=np.zeros(0, int)), "test_images is empty"),
    "sizes differ": (
        arrays(test_images=np.zeros((4, 9, 8, 3), np.uint8)),
        "train images are 8×8 px and test images 9×8",
    ),
    "unknown class": (arrays(test_labels=np.array([0, 1, 5, 0])), "test_labels holds class 5"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arrays_are_refused(name: str, tmp_path: Path) -> None:
    content, message = WRONG[name]
    np.savez(tmp_path / "d.npz", **content)
    assert message in refusal(tmp_path / "d.npz")


def test_files_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    assert "there is no npz file" in refusal(tmp_path / "none.npz")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "text.npz").write_text("hello")
    assert "not an npz archive" in refusal(tmp_path / "text.npz")
    (tmp_path / "empty.npz").touch()
    assert "not an npz archive" in refusal(tmp_path / "empty.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert "a single array" in refusal(tmp_path / "one.npy")


def test_truncated_and_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, **arrays())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "cut off" in refusal(path)
    path.write_bytes(content[:300] + bytes(200) + content[500:])
    assert "train_images is cut off or damaged" in refusal(path)


def test_too_small_a_train_split_is_refused(tmp_path: Path) -> None:
    few = arrays(train_images=np.zeros((2, 8, 8), np.uint8), train_labels=np.array([0, 1]))
    np.savez(tmp_path / "d.npz", **few)
    assert "too few to cut 10% of them off for val" in refusal(tmp_path / "d.npz")
