"""A dataset by name, checked, split and normalised. The one door to this room. No torch at import."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.data import cut
from engine.data.domains import pairs
from engine.data.images import sizing
from engine.data.images.reading import find_broken, refuse_broken
from engine.data.outline import Outline, declared_size, outline_of, source_of
from engine.data.split import Data, Parts, Split, Target
from engine.errors import RequestError, concerns
from engine.spec import catalog
from engine.spec.images.made_for import MadeFor
from engine.spec.run import DataSpec

__all__ = ["Data", "Outline", "Split", "Target", "check_images", "classes_and_image", "load", "outline"]


@concerns("data.name")
def load(spec: DataSpec, seed: int, network: MadeFor | None = None) -> Data:
    """The dataset that `spec` asks for, at the size that suits the network; of a pair the source, with the target.

    A test split that the source lacks is cut from train, a fifth of it, and then a val split, `val_fraction` of what is
    left: classes in proportion, by `seed`. `limit` then cuts every split, to the same images whatever the seed.
    `engine.data.domains.pairs` says what becomes of a target's.
    RequestError: an unknown name, or files that are missing or wrong. WorkError: a download that failed.
    """
    catalog.check_dataset(spec.name)
    pair = catalog.pair_of(spec.name)
    if pair is None:
        return _read(spec, outline_of(spec, network), seed)
    both = pairs.outline_both(spec, pair, network)
    data = _read(both.source.spec, both.source.outline, seed)
    target, notes = pairs.read_target(both, data.classes, seed)
    flip = data.flip and source_of(pair.target).flip
    return replace(data, target=target, flip=flip, notes=(*data.notes, *notes))


def _read(spec: DataSpec, known: Outline, seed: int) -> Data:
    """One dataset with all of its splits."""
    parts = known.read()
    train, val, test = parts.train, parts.val, parts.test
    notes = list(parts.notes)
    if test is None:
        train, test = cut.split_off(spec.name, train, cut.TEST_FRACTION, seed, "test")
        notes.append(cut.cut_note("test", cut.TEST_FRACTION, len(test), seed))
    if val is None:
        train, val = cut.split_off(spec.name, train, spec.val_fraction, seed, "val")
        notes.append(cut.cut_note("val", spec.val_fraction, len(val), seed))
    notes += _absences({"train": train, "val": val, "test": test}, parts)
    train, val, test = (split.limit_to(spec.limit) for split in (train, val, test))
    if spec.limit is not None:
        notes.append(cut.limit_note(spec.limit, {"train": len(train), "val": len(val), "test": len(test)}))
    cut.check_enough(spec.name, len(train))
    mean, std = normalization_of(spec)
    height, width = parts.image
    source = source_of(spec.name)
    crop = min(height, width) // 8 if source.crop is None else source.crop
    image = (3, height, width)
    shown = tuple(notes)
    return Data(spec.name, train, val, test, parts.classes, image, mean, std, source.flip, crop, shown, parts.cover)


@concerns("data.name")
def outline(spec: DataSpec, seed: int, network: MadeFor | None = None) -> Outline:
    """The same by its headers: number of classes, image size and notes, before any image is decoded. No torch.

    What only the pixels say is in no note yet, and of a dataset that a name alone stands for only what is declared.
    Counts of a pair are the source's.
    """
    catalog.check_dataset(spec.name)
    pair = catalog.pair_of(spec.name)
    if pair is None:
        return _with_cuts(spec, outline_of(spec, network), seed)
    both = pairs.outline_both(spec, pair, network)
    known = _with_cuts(both.source.spec, both.source.outline, seed)
    return replace(known, notes=(*known.notes, *pairs.outline_notes(both, seed)))


def _with_cuts(spec: DataSpec, known: Outline, seed: int) -> Outline:
    """An outline with the splits that will be cut."""
    notes = list(known.notes)
    counts = dict(known.counts or {})
    if counts:
        for name, fraction in (("test", cut.TEST_FRACTION), ("val", spec.val_fraction)):
            if name not in counts:
                counts[name] = cut.cut_size(spec.name, counts["train"], fraction, name)
                counts["train"] -= counts[name]
                notes.append(cut.cut_note(name, fraction, counts[name], seed))
        if spec.limit is not None:
            counts = {name: min(spec.limit, counts[name]) for name in ("train", "val", "test")}
            notes.append(cut.limit_note(spec.limit, counts))
        cut.check_enough(spec.name, counts["train"])
    return replace(known, counts=counts or None, notes=tuple(notes))


@concerns("data.name")
def classes_and_image(spec: DataSpec, network: MadeFor | None) -> tuple[int, tuple[int, int, int]]:
    """Number of classes and (3, height, width) as `load` will have them; of what a name stands for, as declared."""
    catalog.check_dataset(spec.name)
    if spec.name in catalog.DATASETS:
        dataset = catalog.DATASETS[spec.name]
        return dataset.classes, (3, *declared_size(dataset, sizing.Sizing(spec.size_asked, network)))
    known = outline(spec, 0, network)
    return known.classes, (3, *known.image)


def check_images(data: Data) -> None:
    """Decode every image that is read when it is needed, of both halves of a pair; RequestError that names broken ones.

    Images in memory were decoded when they were loaded. RequestError where the images are no files.
    """
    target = [] if data.target is None else [data.target]
    names = [data.name, *(each.name for each in target)]
    if not any(source_of(name).files for name in names):
        raise RequestError(f"--check-images decodes image files, and {'>'.join(names)} has none; leave it out")
    splits = [data.train, data.val, data.test, *(split for each in target for split in (each.train, each.test))]
    refuse_broken([text for split in splits if split.disk is not None for text in find_broken(split.disk)])


def normalization_of(spec: DataSpec) -> catalog.Normalization:
    """Means and deviations of values in 0..1: what the spec says, or those of the dataset that it names, or its own.

    Both halves of a pair have the source's.
    """
    if spec.normalize is not None and not isinstance(spec.normalize, str):
        (m0, m1, m2), (s0, s1, s2) = spec.normalize
        return (m0, m1, m2), (s0, s1, s2)
    dataset = catalog.DATASETS.get(spec.normalize or catalog.halves(spec.name)[0])
    return (dataset and dataset.normalize) or catalog.IMAGENET


def _absences(splits: dict[str, Split], parts: Parts) -> Iterator[str]:
    """What cutting left without a class that train had."""
    has = set(parts.train.labels.tolist())
    made = [name for name in ("test", "val") if getattr(parts, name) is None]
    for name in ["train", *made] if made else []:
        absent = len(has - set(splits[name].labels.tolist()))
        if absent:
            yield f"{name} is cut without an image of {absent:,} of {len(parts.classes):,} classes"
