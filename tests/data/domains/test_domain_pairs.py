"""SOURCE>TARGET: two domains at one size with the same classes, and no label of the target where training reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.data import folder
from engine.data.load import Data, Target, check_images, classes_and_image, load, outline
from engine.data.loader import batches
from engine.errors import RequestError
from engine.spec.run import DataSpec


def save(path: Path, images: int = 40, classes: int = 4, side: int = 8, seed: int = 0, **more: Any) -> str:
    """An archive of `images` training images; each is one grey, its number. The name of the dataset."""
    rng = np.random.default_rng(seed)
    pixels = np.repeat(np.arange(images, dtype=np.uint8), side * side).reshape(images, side, side)
    arrays = {"train_images": pixels, "train_labels": rng.permutation(np.arange(images) % classes), **more}
    np.savez(path, **arrays)
    return f"npz:{path}"


def photos(root: Path, *classes: str, images: int = 5, side: int = 8) -> str:
    """Class folders alone, as Office-31 has them. The name of the dataset."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(images):
            grey = 40 * label + number
            Image.new("RGB", (side, side), (grey, grey, grey)).save(root / name / f"{number}.png")
    return f"folder:{root}"


def read(name: str, seed: int = 0, **more: Any) -> tuple[Data, Target]:
    data = load(DataSpec(name=name, **more), seed)
    assert data.target is not None
    return data, data.target


def greys(images: torch.Tensor | None) -> list[int]:
    assert images is not None
    return images[:, 0, 0, 0].tolist()


def refusal(name: str, **more: Any) -> str:
    with pytest.raises(RequestError) as caught:
        load(DataSpec(name=name, **more), 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "sizes"), [("mnist5k>digits", (3600, 400, 1000)), ("digits>mnist5k", (1294, 144, 359))]
)
def test_the_shipped_pair_works_in_both_directions(name: str, sizes: tuple[int, int, int]) -> None:
    data, target = read(name)
    source, other = name.split(">")
    assert (data.name, target.name, data.image) == (source, other, (3, 28, 28))
    assert (len(data.train), len(data.val), len(data.test)) == sizes
    assert len(target.train) + len(target.test) == {"digits": 1797, "mnist5k": 5000}[other]
    for split in (data.train, target.train, target.test):
        assert split.images is not None and split.images.shape[1:] == (3, 28, 28)
    assert target.train.labels.unique().tolist() == [0]
    assert target.answers.unique().tolist() == target.test.labels.unique().tolist() == list(range(10))
    assert (data.flip, data.crop, data.mean) == (False, 2, (0.485, 0.456, 0.406))


def test_the_source_of_a_pair_is_what_it_is_alone(tmp_path: Path) -> None:
    one, two = save(tmp_path / "a.npz"), save(tmp_path / "b.npz", seed=1)
    alone, (data, _) = load(DataSpec(name=one), 3), read(f"{one}>{two}", 3)
    for split in ("train", "val", "test"):
        assert greys(getattr(alone, split).images) == greys(getattr(data, split).images)
        assert torch.equal(getattr(alone, split).labels, getattr(data, split).labels)


def test_what_is_trained_on_of_the_target_does_not_depend_on_its_labels(tmp_path: Path) -> None:
    source = save(tmp_path / "a.npz")
    one, two = (read(f"{source}>{save(tmp_path / f'{seed}.npz', seed=seed)}", 5)[1] for seed in (1, 2))
    limited = [read(f"{source}>npz:{tmp_path / f'{seed}.npz'}", 5, limit=16)[1] for seed in (1, 2)]
    assert not torch.equal(one.answers, two.answers)
    for first, second in ((one, two), limited):
        assert greys(first.train.images) == greys(second.train.images)
        assert first.train.labels.tolist() == [0] * len(first.train)
    assert (len(one.train), len(one.test), len(limited[0].train)) == (32, 8, 16)
    assert greys(one.test.images) == greys(two.test.images)


def test_the_order_of_what_is_trained_on_tells_no_class(tmp_path: Path) -> None:
    test = {"test_images": np.zeros((4, 8, 8), np.uint8), "test_labels": np.arange(4)}
    name = save(tmp_path / "b.npz", train_labels=np.arange(40) // 10, **test)
    _, target = read(f"{save(tmp_path / 'a.npz')}>{name}")
    first = target.answers[:20].bincount(minlength=4)
    assert target.answers.tolist() != sorted(target.answers.tolist()) and first.min() > 0


def test_answers_are_the_labels_of_the_images_trained_on(tmp_path: Path) -> None:
    source, name = save(tmp_path / "a.npz"), save(tmp_path / "b.npz", seed=1)
    labels = np.load(tmp_path / "b.npz")["train_labels"]
    _, target = read(f"{source}>{name}")
    assert target.answers.tolist() == labels[greys(target.train.images)].tolist()
    assert target.test.labels.tolist() == labels[greys(target.test.images)].tolist()
    assert sorted(greys(target.train.images) + greys(target.test.images)) == list(range(40))


def test_a_val_split_of_the_target_joins_its_training_images(tmp_path: Path) -> None:
    val = {"val_images": np.full((6, 8, 8), 99, np.uint8), "val_labels": np.arange(6) % 4}
    test = {"test_images": np.full((4, 8, 8), 77, np.uint8), "test_labels": np.arange(4)}
    source, name = save(tmp_path / "a.npz"), save(tmp_path / "b.npz", **val, **test)
    data, target = read(f"{source}>{name}")
    assert (len(target.train), greys(target.train.images).count(99), greys(target.test.images)) == (46, 6, [77] * 4)
    from_val = [
        number for grey, number in zip(greys(target.train.images), target.answers.tolist(), strict=True) if grey == 99
    ]
    assert sorted(from_val) == [0, 0, 1, 1, 2, 3]
    assert "target: val split: joins train, as nobody reads the labels of either" in data.notes
    assert "target: 46 training images without labels, 4 test images" in data.notes


def test_class_folders_alone_are_a_pair_as_they_are(tmp_path: Path) -> None:
    name = f"{photos(tmp_path / 'amazon', 'mug', 'pen')}>{photos(tmp_path / 'webcam', 'mug', 'pen', side=12)}"
    data, target = read(name, val_fraction=0.25)
    assert (data.classes, data.image, len(target.train), len(target.test)) == (("mug", "pen"), (3, 12, 12), 8, 2)
    assert "target: test split: 20% of train (2 images), seed 0" in data.notes
    assert any(note.startswith("images of source and target are 12×12 px, the larger of 8×8") for note in data.notes)
    assert target.answers.tolist() == [grey // 40 for grey in greys(target.train.images)]


def test_the_folder_around_class_folders_says_which_is_meant(tmp_path: Path) -> None:
    inside = photos(tmp_path / "amazon" / "images", "mug", "pen")
    assert f"; did you mean {inside}?" in refusal(f"folder:{tmp_path / 'amazon'}")
    photos(tmp_path / "amazon" / "more", "mug", "pen")
    assert "did you mean" not in refusal(f"folder:{tmp_path / 'amazon'}")


def test_images_on_disk_keep_no_label_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{photos(tmp_path / 'a', 'mug', 'pen')}>{photos(tmp_path / 'b', 'mug', 'pen')}"
    monkeypatch.setattr(folder, "IN_MEMORY_BYTES", 1)
    data, target = read(name, val_fraction=0.25)
    assert target.train.images is None and target.test.images is None
    ((_, labels),) = batches(target.train, data, 64, "cpu")
    ((_, test_labels),) = batches(target.test, data, 64, "cpu")
    assert labels.tolist() == [0] * 8 and sorted(target.answers.tolist() + test_labels.tolist()) == [0] * 5 + [1] * 5
    check_images(data)
    (tmp_path / "b" / "pen" / "3.png").write_bytes(b"no image")
    with pytest.raises(RequestError, match=r"cannot read the image .*b/pen/3\.png"):
        check_images(data)


def test_a_size_that_is_asked_for_is_that_of_both(tmp_path: Path) -> None:
    name = f"{save(tmp_path / 'a.npz')}>{save(tmp_path / 'b.npz', side=12)}"
    data, target = read(name, image_size=10)
    assert data.image == (3, 10, 10)
    assert target.train.images is not None and target.train.images.shape[2:] == (10, 10)
    assert not any("the larger of" in note for note in data.notes)


def test_both_halves_are_normalised_as_the_source_is() -> None:
    assert load(DataSpec(name="mnist5k>digits", normalize="cifar10", limit=20), 0).mean == (0.4914, 0.4822, 0.4465)


def test_headers_tell_what_loading_will(tmp_path: Path) -> None:
    name = f"{save(tmp_path / 'a.npz')}>{save(tmp_path / 'b.npz', side=12)}"
    spec = DataSpec(name=name, limit=20, val_fraction=0.25)
    known, data = outline(spec, 0), load(spec, 0)
    assert (known.classes, known.image, known.counts) == (4, (12, 12), {"train": 20, "val": 8, "test": 8})
    assert [note for note in data.notes if note not in known.notes] == []
    assert classes_and_image(spec, None) == (4, (3, 12, 12))
    assert classes_and_image(DataSpec(name="digits>mnist5k"), None) == (10, (3, 28, 28))


def test_rules_for_labels_are_for_whichever_half_is_an_archive(tmp_path: Path) -> None:
    labels = np.arange(40) % 10
    labels[:3] = 255
    name = save(tmp_path / "b.npz", train_labels=labels)
    data, target = read(f"digits>{name}", labels="ignore-255", limit=30)
    assert (len(data.classes), len(target.train)) == (10, 30)
    assert "target: 3 images with the label 255 left out" in data.notes
    assert 255 not in target.answers
    assert "npz" not in " ".join(read(f"{save(tmp_path / 'a.npz')}>{save(tmp_path / 'c.npz')}")[0].notes)


def test_classes_are_matched_by_name_whatever_their_order(tmp_path: Path) -> None:
    folders = photos(tmp_path / "a", *map(str, range(11)), side=4)  # in the order of text: 0, 1, 10, 2
    archive = save(tmp_path / "b.npz", images=44, classes=11)
    data, target = read(f"{folders}>{archive}")
    labels = np.load(tmp_path / "b.npz")["train_labels"]
    assert data.classes[:4] == ("0", "1", "10", "2")
    for split, found in ((target.train, target.answers), (target.test, target.test.labels)):
        assert [int(data.classes[label]) for label in found.tolist()] == labels[greys(split.images)].tolist()


def test_numbers_stand_for_names_in_their_order(tmp_path: Path) -> None:
    folders, archive = photos(tmp_path / "a", "mug", "pen"), save(tmp_path / "b.npz", classes=2)
    data, target = read(f"{folders}>{archive}")
    assert "target: classes are matched by their order: 0 is mug, 1 is pen" in data.notes
    assert target.answers.tolist() == np.load(tmp_path / "b.npz")["train_labels"][greys(target.train.images)].tolist()
    assert read(f"{archive}>{folders}")[0].classes == ("0", "1")


def test_different_classes_are_refused_by_the_first_that_differs(tmp_path: Path) -> None:
    one, two = photos(tmp_path / "a", "mug", "pen"), photos(tmp_path / "b", "Mug", "pen")
    three = save(tmp_path / "c.npz", classes=3)
    sentence = refusal(f"{one}>{two}")
    assert f"class 'mug' of {one} is not in {two}, where it is called 'Mug'" in sentence
    assert f"{one} has 2 classes, and {three} has 3 classes" in refusal(f"{one}>{three}")
    assert f"class '3' of digits is not in {three}" in refusal(f"digits>{three}")
    assert f"class '3' of digits is not in {three}" in refusal(f"{three}>digits")


@pytest.mark.parametrize("images", [4, 7])
def test_a_target_with_one_image_a_class_is_too_small_to_be_cut(images: int, tmp_path: Path) -> None:
    source, small = save(tmp_path / "a.npz"), save(tmp_path / "b.npz", images=images)
    sentence = f"target {small} has {images} images of 4 classes and no test split, which is too few to cut one from"
    assert sentence in refusal(f"{source}>{small}")
    with pytest.raises(RequestError, match="too few to cut one from"):
        classes_and_image(DataSpec(name=f"{source}>{small}"), None)
    data, _ = read(f"{source}>{save(tmp_path / 'd.npz', images=8)}")
    assert "target: test is cut without an image of 2 of 4 classes" in data.notes
    test = {"test_images": np.zeros((4, 8, 8), np.uint8), "test_labels": np.arange(4)}
    _, target = read(f"{source}>{save(tmp_path / 'c.npz', images=4, **test)}")
    assert (len(target.train), len(target.test)) == (4, 4), "with a test split of its own it has enough"


def test_an_empty_target_is_refused(tmp_path: Path) -> None:
    source = photos(tmp_path / "a", "mug", "pen")
    (tmp_path / "b").mkdir()
    assert f"image folder {tmp_path / 'b'} has no train/ in it" in refusal(f"{source}>folder:{tmp_path / 'b'}")
    nothing = save(tmp_path / "c.npz", train_images=np.zeros((0, 8, 8), np.uint8), train_labels=np.zeros(0, int))
    assert "train_images is empty" in refusal(f"{source}>{nothing}")
    assert "there is no npz file" in refusal(f"{source}>npz:{tmp_path / 'd.npz'}")


def test_one_place_by_two_paths_is_no_pair(tmp_path: Path) -> None:
    name = photos(tmp_path / "a", "mug", "pen")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for other in (f"{tmp_path / 'b'}", f"{tmp_path / 'a'}/", f"{tmp_path}/c/../a"):
        (tmp_path / "c").mkdir(exist_ok=True)
        assert "is both source and target" in refusal(f"{name}>folder:{other}")


def test_a_path_that_is_not_there_may_be_meant_for_a_pair(tmp_path: Path) -> None:
    sentence = refusal(f"{save(tmp_path / 'a.npz')}>mnist6k")
    assert "no dataset is called 'mnist6k'" in sentence and "SOURCE>TARGET" in sentence
    assert "nothing stands behind its >" in refusal(f"npz:{tmp_path / 'a.npz'}>")
    assert load(DataSpec(name=save(tmp_path / "a>mnist6k.npz")), 0).target is None
