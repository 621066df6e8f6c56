"""Splits that a source lacks, cut from train; and how few images may be left. No torch."""

from __future__ import annotations

from collections.abc import Mapping

from engine.data.split import Split
from engine.errors import RequestError
from engine.words import count

TEST_FRACTION = 0.2  # of the images of a source without a test split


def split_off(dataset: str, train: Split, fraction: float, seed: int, name: str) -> tuple[Split, Split]:
    """What is left of train, and the split `name` that is cut off, with the classes in proportion."""
    cut, rest = train.representative(cut_size(dataset, len(train), fraction, name), seed)
    return train.take(rest), train.take(cut)


def cut_size(dataset: str, images: int, fraction: float, name: str) -> int:
    """How many images a split takes off train; RequestError where too few would be left."""
    size = max(1, round(fraction * images))
    if images - size < 2:
        sentence = (
            f"{dataset} has {count(images, 'training image')}, too few to cut {fraction:.0%} of them off for {name}"
        )
        raise RequestError(sentence, field="data.val_fraction" if name == "val" else "data.name")
    return size


def check_enough(dataset: str, images: int) -> None:
    """RequestError where there are too few images to train on."""
    if images < 2:
        raise RequestError(f"dataset {dataset} is left with {images} training image; training needs at least 2")


def cut_note(name: str, fraction: float, images: int, seed: int) -> str:
    """What was cut off."""
    return f"{name} split: {fraction:.0%} of train ({count(images, 'image')}), seed {seed}"


def limit_note(limit: int, counts: Mapping[str, int]) -> str:
    """How many images of each split a limit left."""
    listed = [f"{images:,} {name}" for name, images in counts.items()]
    return f"limit {limit:,}: {', '.join(listed[:-1])} and {listed[-1]} images"
