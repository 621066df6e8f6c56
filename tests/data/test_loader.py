"""Batches: every image once, in a seeded order, cropped and mirrored as the data allows."""

import pytest
import torch

from engine.data.load import Data, Split
from engine.data.loader import batches, normalise


def data(count: int = 10, *, flip: bool = True, crop: int = 2, side: int = 8) -> Data:
    """Images that are different everywhere; the label is the image's number."""
    images = torch.randint(
        1, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    split = Split(images, torch.arange(count))
    return Data(
        "some", split, split, split, tuple("ab"), (3, side, side), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), flip, crop, ()
    )


def pixels(x: torch.Tensor) -> torch.Tensor:
    return (x * 255).round().to(torch.uint8)


def test_without_a_seed_images_come_in_order_and_the_small_last_batch_stays() -> None:
    some = data(10)
    result = list(batches(some.test, some, 3, "cpu"))
    assert [len(y) for _, y in result] == [3, 3, 3, 1]
    assert torch.cat([y for _, y in result]).tolist() == list(range(10))
    assert some.test.images is not None
    assert torch.equal(pixels(torch.cat([x for x, _ in result])), some.test.images)


def test_normalisation_takes_off_the_mean_and_divides_by_the_deviation() -> None:
    some = data(2)
    object.__setattr__(some, "mean", (0.1, 0.2, 0.3))
    object.__setattr__(some, "std", (0.5, 0.25, 2.0))
    assert some.test.images is not None
    x = normalise(some.test.images, some)
    assert x.dtype == torch.float32
    expected = (some.test.images[:, 1].float() / 255 - 0.2) / 0.25
    torch.testing.assert_close(x[:, 1], expected)


def test_a_seed_shuffles_images_with_their_labels_and_repeats_itself() -> None:
    some = data(32)
    one, again, other = (list(batches(some.train, some, 8, "cpu", seed=s)) for s in (4, 4, 5))
    order = torch.cat([y for _, y in one])
    assert sorted(order.tolist()) == list(range(32))
    assert order.tolist() == torch.cat([y for _, y in again]).tolist()
    assert order.tolist() != torch.cat([y for _, y in other]).tolist()
    assert some.train.images is not None
    assert torch.equal(pixels(torch.cat([x for x, _ in one])), some.train.images[order])


def test_training_never_gets_a_batch_of_one_and_loses_no_image() -> None:
    some = data(9)
    assert [len(y) for _, y in batches(some.train, some, 4, "cpu", seed=0)] == [4, 5]


@pytest.mark.parametrize("flip", [True, False])
def test_augmented_images_are_shifted_and_where_allowed_mirrored_originals(flip: bool) -> None:
    some = data(64, flip=flip, crop=2)
    [(x, y)] = batches(some.train, some, 64, "cpu", augment=True, seed=1)
    assert some.train.images is not None
    frame = torch.nn.functional.pad(some.train.images, (2, 2, 2, 2))
    shifts = set()
    for image, label in zip(pixels(x), y.tolist(), strict=True):
        matches = [
            (mirrored, dy, dx)
            for mirrored in (False, True)
            for dy in range(5)
            for dx in range(5)
            if torch.equal(image.flip(2) if mirrored else image, frame[label, :, dy : dy + 8, dx : dx + 8])
        ]
        assert len(matches) == 1
        shifts.add(matches[0])
    assert {mirrored for mirrored, _, _ in shifts} == ({True, False} if flip else {False})
    assert len({(dy, dx) for _, dy, dx in shifts}) > 12


def test_augmentation_repeats_itself_for_a_seed_and_leaves_the_global_random_state_alone() -> None:
    some = data(16)
    state = torch.get_rng_state()
    one, again = (list(batches(some.train, some, 8, "cpu", augment=True, seed=3)) for _ in range(2))
    assert all(torch.equal(x, u) for (x, _), (u, _) in zip(one, again, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_augmentation_without_a_seed_is_a_mistake() -> None:
    some = data()
    with pytest.raises(ValueError, match="needs a seed"):
        next(batches(some.train, some, 4, "cpu", augment=True))


def test_images_are_sent_to_an_accelerator_once_and_let_go_with_the_split() -> None:
    from engine.data import loader

    before = len(loader._device_copies)
    some = data(6)
    for _ in range(2):  # the meta device stands in for an accelerator
        list(batches(some.test, some, 4, "meta"))
    assert len(loader._device_copies) == before + 1
    del some
    assert len(loader._device_copies) == before
