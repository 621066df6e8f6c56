"""A dataset by name, checked, split and normalised. The one door to this room. No torch at import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from engine.data.declare import SOURCES, Source
from engine.data.images import sizing
from engine.data.images.reading import find_broken, fit_split, refuse_broken
from engine.data.images.words import count
from engine.data.outline import Outline, Wishes
from engine.data.split import Data, Parts, Split, Target
from engine.errors import RequestError, concerns
from engine.spec import catalog
from engine.spec.images import label_rules
from engine.spec.images.made_for import MadeFor
from engine.spec.run import DataSpec
from engine.units import dimensions

__all__ = ["Data", "Outline", "Split", "Target", "check_images", "classes_and_image", "load", "outline"]

TEST_FRACTION = 0.2  # of the images of a source without a test split


@concerns("data.name")
def load(spec: DataSpec, seed: int, network: MadeFor | None = None) -> Data:
    """The dataset that `spec` asks for, at the size that suits the network.

    A test split that the source lacks is cut from train, a fifth of it, and then a val split, `val_fraction` of what is
    left: classes in proportion, by `seed`. `limit` then cuts every split, to the same images whatever the seed.
    RequestError: an unknown name, or files that are missing or wrong. WorkError: a download that failed.
    """
    source, _ = _source(spec)
    parts = _outline(spec, network).read()
    train, val, test = parts.train, parts.val, parts.test
    notes = list(parts.notes)
    if test is None:
        train, test = _cut(spec, train, TEST_FRACTION, seed, "test")
        notes.append(_cut_note("test", TEST_FRACTION, len(test), seed))
    if val is None:
        train, val = _cut(spec, train, spec.val_fraction, seed, "val")
        notes.append(_cut_note("val", spec.val_fraction, len(val), seed))
    notes += _absences({"train": train, "val": val, "test": test}, parts)
    train, val, test = (split.limit_to(spec.limit) for split in (train, val, test))
    if spec.limit is not None:
        notes.append(_limit_note(spec.limit, len(train), len(val), len(test)))
    _check_enough(spec, len(train))
    mean, std = normalization_of(spec)
    height, width = parts.image
    crop = min(height, width) // 8 if source.crop is None else source.crop
    image = (3, height, width)
    shown = tuple(notes)
    return Data(spec.name, train, val, test, parts.classes, image, mean, std, source.flip, crop, shown, parts.cover)


@concerns("data.name")
def outline(spec: DataSpec, seed: int, network: MadeFor | None = None) -> Outline:
    """The same by its headers: number of classes, image size and notes, before any image is decoded. No torch.

    What only the pixels say is in no note yet, and of a dataset that a name alone stands for only what is declared.
    """
    known = _outline(spec, network)
    notes = list(known.notes)
    counts = dict(known.counts or {})
    if counts:
        for name, fraction in (("test", TEST_FRACTION), ("val", spec.val_fraction)):
            if name not in counts:
                counts[name] = _cut_size(spec, counts["train"], fraction, name)
                counts["train"] -= counts[name]
                notes.append(_cut_note(name, fraction, counts[name], seed))
        if spec.limit is not None:
            counts = {name: min(spec.limit, images) for name, images in counts.items()}
            notes.append(_limit_note(spec.limit, counts["train"], counts["val"], counts["test"]))
        _check_enough(spec, counts["train"])
    return Outline(known.classes, known.image, known.read, counts or None, tuple(notes))


@concerns("data.name")
def classes_and_image(spec: DataSpec, network: MadeFor | None) -> tuple[int, tuple[int, int, int]]:
    """Number of classes and (3, height, width) as `load` will have them; of what a name stands for, as declared."""
    catalog.check_dataset(spec.name)
    if spec.name in catalog.DATASETS:
        dataset = catalog.DATASETS[spec.name]
        return dataset.classes, (3, *_declared_size(dataset, Wishes(sizing.Sizing(spec.size_asked, network))))
    known = outline(spec, 0, network)
    return known.classes, (3, *known.image)


def check_images(data: Data) -> None:
    """Decode every image that is read when it is needed; RequestError that names those that cannot be read.

    Images in memory were decoded when they were loaded. RequestError where the images are no files.
    """
    source = SOURCES[_prefix(data.name) or data.name]
    if not source.files:
        raise RequestError(f"--check-images decodes image files, and {data.name} has none; leave it out")
    splits = (data.train, data.val, data.test)
    refuse_broken([text for split in splits if split.disk is not None for text in find_broken(split.disk)])


def normalization_of(spec: DataSpec) -> catalog.Normalization:
    """Means and deviations of values in 0..1: what the spec says, or those of the dataset that it names, or its own."""
    if spec.normalize is not None and not isinstance(spec.normalize, str):
        (m0, m1, m2), (s0, s1, s2) = spec.normalize
        return (m0, m1, m2), (s0, s1, s2)
    dataset = catalog.DATASETS.get(spec.normalize or spec.name)
    return (dataset and dataset.normalize) or catalog.IMAGENET


def _prefix(name: str) -> str:
    return next((prefix for prefix in catalog.DATASET_PREFIXES if name.startswith(prefix)), "")


def _source(spec: DataSpec) -> tuple[Source, str]:
    """What reads the dataset, and the prefix of its name, if any."""
    catalog.check_dataset(spec.name)
    prefix = _prefix(spec.name)
    return SOURCES[prefix or spec.name], prefix


def _outline(spec: DataSpec, network: MadeFor | None) -> Outline:
    source, prefix = _source(spec)
    if spec.root is not None:
        catalog.check_takes_root(spec.name)
    wishes = Wishes(
        sizing.Sizing(spec.size_asked, network), None if spec.labels is None else label_rules.parse(spec.labels)
    )
    arguments: list[Any] = []
    if prefix:
        arguments = [Path(spec.name.removeprefix(prefix)).expanduser()]
    elif catalog.DATASETS[spec.name].root is not None:
        arguments = [None if spec.root is None else Path(spec.root).expanduser()]
    if source.outlines:
        found = source.read(*arguments, wishes)
        assert isinstance(found, Outline)
        return found
    return _outline_of_parts(spec, partial(source.read, *arguments), wishes)


def _outline_of_parts(spec: DataSpec, read: partial[Any], wishes: Wishes) -> Outline:
    """For a source that gives its images at one size."""
    if spec.name in catalog.DATASETS:
        dataset = catalog.DATASETS[spec.name]
        size = _declared_size(dataset, wishes)
        return Outline(dataset.classes, size, lambda: _resized(read(), size))
    parts: Parts = read()
    size = sizing.choose(Counter({parts.image: 1}), wishes.sizing).size
    resized = _resized(parts, size)
    return Outline(len(parts.classes), size, lambda: resized, notes=resized.notes)


def _declared_size(dataset: catalog.Dataset, wishes: Wishes) -> sizing.Size:
    return sizing.choose(Counter({dataset.image[1:]: 1}), wishes.sizing).size


def _resized(parts: Parts, size: sizing.Size) -> Parts:
    """The same images at another size, and a note of it."""
    if parts.image == size:
        return parts
    shape = sizing.Fit(*size)
    train, val, test = (split and fit_split(split, shape) for split in (parts.train, parts.val, parts.test))
    assert train is not None
    note = f"images are resized from {dimensions(parts.image)} to {dimensions(size)} px"
    return Parts(train, val, test, parts.classes, size, (*parts.notes, note))


def _check_enough(spec: DataSpec, images: int) -> None:
    if images < 2:
        raise RequestError(f"dataset {spec.name} is left with {images} training image; training needs at least 2")


def _cut_size(spec: DataSpec, images: int, fraction: float, name: str) -> int:
    """How many images a split takes off train; RequestError where too few would be left."""
    size = max(1, round(fraction * images))
    if images - size < 2:
        sentence = (
            f"{spec.name} has {count(images, 'training image')}, too few to cut {fraction:.0%} of them off for {name}"
        )
        raise RequestError(sentence, field="data.val_fraction" if name == "val" else "data.name")
    return size


def _cut(spec: DataSpec, train: Split, fraction: float, seed: int, name: str) -> tuple[Split, Split]:
    """What is left of train, and what is cut off."""
    cut, rest = train.representative(_cut_size(spec, len(train), fraction, name), seed)
    return train.take(rest), train.take(cut)


def _cut_note(name: str, fraction: float, images: int, seed: int) -> str:
    return f"{name} split: {fraction:.0%} of train ({count(images, 'image')}), seed {seed}"


def _limit_note(limit: int, train: int, val: int, test: int) -> str:
    return f"limit {limit:,}: {train:,} train, {val:,} val and {test:,} test images"


def _absences(splits: dict[str, Split], parts: Parts) -> Iterator[str]:
    """What cutting left without a class that train had."""
    has = set(parts.train.labels.tolist())
    cut = [name for name in ("test", "val") if getattr(parts, name) is None]
    for name in ["train", *cut] if cut else []:
        absent = len(has - set(splits[name].labels.tolist()))
        if absent:
            yield f"{name} is cut without an image of {absent:,} of {len(parts.classes):,} classes"
