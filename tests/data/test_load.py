"""Splits, limits and normalisation, whatever the source; every name in the catalogue has one."""

import pytest
import torch

from engine.data.declare import SOURCES
from engine.data.load import Data, load
from engine.data.split import Split
from engine.errors import RequestError
from engine.spec import catalog
from engine.spec.run import DataSpec


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec(name="digits"), 0)


def same(a: Split, b: Split) -> bool:
    assert a.images is not None
    assert b.images is not None
    return torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)


def fingerprints(split: Split) -> set[bytes]:
    assert split.images is not None
    return {image.numpy().tobytes() for image in split.images}


def test_every_dataset_of_the_catalogue_has_a_source() -> None:
    assert set(SOURCES) == set(catalog.DATASETS) | set(catalog.DATASET_PREFIXES)


@pytest.mark.parametrize("name", ["clutter", "npz:some.npz"])
def test_a_root_is_refused_where_it_would_do_nothing(name: str) -> None:
    with pytest.raises(
        RequestError, match=f"dataset {name} takes no data.root; only cifar10, cifar100, mnist, usps, svhn, imagenet do"
    ):
        load(DataSpec(name=name, root="."), 0)


def test_an_unknown_dataset_is_refused() -> None:
    with pytest.raises(RequestError, match="did you mean digits"):
        load(DataSpec(name="digit"), 0)


def test_digits_are_1797_images_of_16_px_in_disjoint_splits(digits: Data) -> None:
    assert digits.image == catalog.DATASETS["digits"].image
    assert len(digits.train) + len(digits.val) + len(digits.test) == 1797
    parts = [fingerprints(split) for split in (digits.train, digits.val, digits.test)]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert (digits.flip, digits.crop) == (False, 2)
    assert "val split: 10% of train (144 images), seed 0" in digits.notes


def test_the_seed_decides_the_val_split_and_never_the_test_split(digits: Data) -> None:
    again, other = load(DataSpec(name="digits"), 0), load(DataSpec(name="digits"), 1)
    assert same(digits.val, again.val)
    assert same(digits.train, again.train)
    assert not same(digits.val, other.val)
    assert same(digits.test, other.test)


def test_the_val_split_holds_the_classes_in_proportion(digits: Data) -> None:
    counts = digits.val.labels.bincount(minlength=10)
    assert counts.min() >= 13
    assert counts.max() <= 16


def test_a_limit_keeps_the_same_representative_images_for_every_seed(digits: Data) -> None:
    one, two = (load(DataSpec(name="digits", limit=50), seed) for seed in (0, 1))
    assert [len(split) for split in (one.train, one.val, one.test)] == [50, 50, 50]
    assert same(one.test, two.test)
    assert one.test.labels.bincount().tolist() == [5] * 10
    assert fingerprints(one.test) <= fingerprints(digits.test)


def test_a_limit_larger_than_the_set_changes_nothing(digits: Data) -> None:
    assert same(load(DataSpec(name="digits", limit=10**9), 0).train, digits.train)


def test_a_limit_that_leaves_one_training_image_is_refused() -> None:
    with pytest.raises(RequestError, match="left with 1 training image; training needs at least 2"):
        load(DataSpec(name="digits", limit=1), 0)


def test_every_split_has_an_image_however_small_the_fraction() -> None:
    assert len(load(DataSpec(name="digits", val_fraction=1e-9), 0).val) == 1


def test_a_fraction_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(RequestError, match="too few to cut 100% of them off for val"):
        load(DataSpec(name="digits", val_fraction=0.9999), 0)


def test_normalisation_may_be_chosen_by_name_or_given() -> None:
    assert load(DataSpec(name="digits"), 0).mean == (0.485, 0.456, 0.406)
    assert load(DataSpec(name="digits", normalize="cifar100"), 0).mean == (0.5071, 0.4865, 0.4409)
    explicit = load(DataSpec(name="digits", normalize=((0.1, 0.2, 0.3), (1, 2, 3))), 0)
    assert (explicit.mean, explicit.std) == ((0.1, 0.2, 0.3), (1, 2, 3))


def test_a_representative_choice_is_whole_and_disjoint_even_with_absent_classes() -> None:
    split = Split(None, torch.tensor([7] * 9 + [2] * 3))
    selection, others = split.representative(4, seed=5)
    assert sorted(torch.cat([selection, others]).tolist()) == list(range(12))
    assert sorted(split.labels[selection].tolist()) == [2, 7, 7, 7]
