"""Arrays of other numbers than bytes, and labels of other shapes: scaled by a rule that is said, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.load import load
from engine.spec.run import DataSpec
from tests.data.test_npz import arrays, refusal, spec

BYTES = arrays()


def of_type(dtype: str, factor: float) -> dict[str, Any]:
    return {key: (value.astype(float) * factor).astype(dtype) for key, value in BYTES.items() if key.endswith("images")}


@pytest.mark.parametrize(
    ("dtype", "factor", "note"),
    [
        ("uint16", 257, "images of uint16: scaled from 0..65,535 to 8 bits"),
        ("int64", 1, "images of int64: taken as 0..255"),
        ("float32", 1 / 255, "images of float32: scaled from 0..1 to 8 bits"),
        (">f8", 1 / 255, "images of >f8: scaled from 0..1 to 8 bits"),
    ],
)
def test_numbers_become_the_bytes_that_they_were(dtype: str, factor: float, note: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays(**of_type(dtype, factor)))
    data = load(spec(tmp_path / "d.npz"), 0)
    assert data.test.images is not None
    assert np.array_equal(data.test.images.permute(0, 2, 3, 1).numpy(), BYTES["test_images"])
    assert note in data.notes


def test_bool_is_black_and_white(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays(test_images=BYTES["test_images"] > 99))
    data = load(spec(tmp_path / "d.npz"), 0)
    assert data.test.images is not None and data.test.images.unique().tolist() == [0, 255]


@pytest.mark.parametrize(
    ("dtype", "factor", "said"),
    [
        ("uint16", 1, "of uint16 and nearly black; save them as uint8 if 255 is their white"),
        ("int16", 2, "train_images is of int16 and goes from 0 to 510"),
        ("float16", 1, "train_images has pixels that are floats from 0 to 255"),
        ("complex64", 1, "train_images is of complex64; images are of uint8, of uint16"),
    ],
)
def test_numbers_of_an_unknown_range_are_refused(dtype: str, factor: float, said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays(**of_type(dtype, factor)))
    assert said in refusal(tmp_path / "d.npz")


def test_twelve_bits_in_sixteen_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays(**of_type("uint16", 16)))
    assert any("less than a sixteenth of which is in use" in note for note in load(spec(tmp_path / "d.npz"), 0).notes)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_one_hot_labels_are_read(dtype: str, tmp_path: Path) -> None:
    one_hot = {key: np.eye(2)[BYTES[key].reshape(-1)].astype(dtype) for key in ("train_labels", "test_labels")}
    np.savez(tmp_path / "d.npz", **arrays(**one_hot))
    data = load(spec(tmp_path / "d.npz"), 0)
    assert data.test.labels.tolist() == [0, 1, 1, 0]
    assert "one-hot labels read as the place of their 1" in data.notes
    np.savez(tmp_path / "d.npz", **arrays(train_labels=np.full((12, 2), 0.5)))
    assert "train_labels has shape 12×2, and not a single 1 among zeros in each row" in refusal(tmp_path / "d.npz")


def test_splits_may_be_missing_or_called_otherwise(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays(test_images=None, test_labels=None, dev_images=BYTES["test_images"]))
    assert "lacks dev_labels" in refusal(tmp_path / "d.npz")
    labels = BYTES["test_labels"]
    dev = {"dev_images": BYTES["test_images"], "dev_labels": labels}
    np.savez(tmp_path / "d.npz", **arrays(test_images=None, test_labels=None, **dev))
    data = load(spec(tmp_path / "d.npz"), 0)
    assert (len(data.train), data.val.labels.tolist(), len(data.test)) == (10, labels.tolist(), 2)
    assert "test split: 20% of train (2 images), seed 0" in data.notes
    np.savez(tmp_path / "d.npz", **arrays(**dev, val_images=BYTES["test_images"], val_labels=labels))
    assert "has val_* and dev_*, and one val split is taken" in refusal(tmp_path / "d.npz")


def test_labels_from_1_keep_the_number_of_classes(tmp_path: Path) -> None:
    shifted = {key: BYTES[key].astype(int) + 1 for key in ("train_labels", "test_labels")}
    np.savez(tmp_path / "d.npz", **arrays(**shifted))
    assert "--labels from-1 counts the 2 classes from 1" in refusal(tmp_path / "d.npz")
    data = load(DataSpec(name=f"npz:{tmp_path / 'd.npz'}", labels="from-1"), 0)
    assert (data.classes, data.test.labels.tolist()) == (("1", "2"), [0, 1, 1, 0])
