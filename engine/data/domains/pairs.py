"""Two domains of a pair, SOURCE>TARGET: at one image size, of the same classes, the target's without labels. No torch.

What is trained on of the target must not depend on its labels: a test split that it lacks is cut by chance alone, so
are the images that a limit leaves, and their order, as that of files and arrays is often the order of their classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.data import cut
from engine.data.domains import classes
from engine.data.domains.classes import Classes
from engine.data.outline import Outline, outline_of
from engine.data.split import LIMIT_SEED, Target
from engine.errors import RequestError
from engine.spec import catalog
from engine.spec.images.pairs import Pair, refuse_equal
from engine.spec.messages import as_text
from engine.units import dimensions
from engine.words import count

if TYPE_CHECKING:
    from torch import Tensor

    from engine.spec.images.made_for import MadeFor
    from engine.spec.run import DataSpec


@dataclass(frozen=True)
class Half:
    """One dataset of a pair: what is asked of it, and what its headers say."""

    spec: DataSpec
    outline: Outline

    @property
    def classes(self) -> Classes:
        return Classes(self.spec.name, self.outline.classes, self.outline.names)


@dataclass(frozen=True)
class Both:
    """Source and target at one image size."""

    source: Half
    target: Half
    notes: tuple[str, ...]  # what was decided for both


def outline_both(spec: DataSpec, pair: Pair, network: MadeFor | None) -> Both:
    """Both halves by their headers, at the size asked for, else at the larger of their own by area.

    RequestError where they are the same, or of different classes as far as headers tell, or a file is wrong.
    """
    if spec.root is not None:
        catalog.check_takes_root(spec.name)
    _refuse_same_path(pair)
    source, target = (_half(_alone(spec, name), network) for name in (pair.source, pair.target))
    classes.match(source.classes, target.classes)
    counts = target.outline.counts
    if counts and "test" not in counts:
        _cut_size(target, counts["train"])
    sizes = source.outline.image, target.outline.image
    size = max(sizes, key=lambda image: image[0] * image[1])
    source, target = (_at_size(half, size, network) for half in (source, target))
    if sizes[0] == sizes[1]:
        return Both(source, target, ())
    named = zip(sizes, (pair.source, pair.target), strict=True)
    own = " and ".join(f"{dimensions(image)} ({as_text(name)})" for image, name in named)
    note = f"images of source and target are {dimensions(size)} px, the larger of {own}"
    return Both(source, target, (note,))


def outline_notes(both: Both, seed: int) -> tuple[str, ...]:
    """The notes of `read_target`, before any image is decoded; RequestError where the target has too few images."""
    counts = both.target.outline.counts
    notes = list(both.target.outline.notes)
    if counts:
        train = counts["train"]
        if "test" not in counts:
            test = _cut_size(both.target, train)
            train -= test
            notes.append(cut.cut_note("test", cut.TEST_FRACTION, test, seed))
        left = {"train": train + counts.get("val", 0), "test": counts.get("test", counts["train"] - train)}
        notes += _last_notes(both.target.spec, counts, _limited(left, both.target.spec.limit))
    return (*both.notes, *(f"target: {note}" for note in notes))


def read_target(both: Both, source_classes: tuple[str, ...], seed: int) -> tuple[Target, tuple[str, ...]]:
    """The target with its splits, and notes; labels are numbers of the source's classes.

    `train` is all but the test split. RequestError: other classes than the source's, or too few images.
    """
    import torch

    spec = both.target.spec
    parts = both.target.outline.read()
    match = classes.match(
        Classes(both.source.spec.name, len(source_classes), source_classes),
        Classes(spec.name, len(parts.classes), parts.classes),
    )
    notes = [*parts.notes, *match.notes]
    train, test = parts.train, parts.test
    if test is None:
        chance = _shuffled(len(train), seed)
        size = _cut_size(both.target, len(train))
        train, test = train.take(chance[size:]), train.take(chance[:size])
        notes.append(cut.cut_note("test", cut.TEST_FRACTION, size, seed))
        absent = len(parts.classes) - len(set(test.labels.tolist()))
        notes += [f"test is cut without an image of {absent:,} of {len(parts.classes):,} classes"] if absent else []
    if parts.val is not None:
        train = train.joined(parts.val)
    train = train.take(_shuffled(len(train), LIMIT_SEED)[: spec.limit])
    test = test.limit_to(spec.limit)
    notes += _last_notes(spec, {"val": 0} if parts.val is not None else {}, {"train": len(train), "test": len(test)})
    numbers = torch.tensor(match.numbers)
    train, test = (split.with_labels(numbers[split.labels]) for split in (train, test))
    target = Target(spec.name, train.with_labels(torch.zeros_like(train.labels)), test, train.labels)
    return target, (*both.notes, *(f"target: {note}" for note in notes))


def _alone(spec: DataSpec, name: str) -> DataSpec:
    """What is asked of one half, without what the other alone takes."""
    root = spec.root if catalog.roots_of(name) else None
    labels = spec.labels if name.startswith("npz:") else None
    return spec.model_copy(update={"name": name, "root": root, "labels": labels})


def _half(spec: DataSpec, network: MadeFor | None) -> Half:
    return Half(spec, outline_of(spec, network))


def _at_size(half: Half, size: tuple[int, int], network: MadeFor | None) -> Half:
    if half.outline.image == size:
        return half
    return _half(half.spec.model_copy(update={"image_size": size}), network)


def _refuse_same_path(pair: Pair) -> None:
    """RequestError where two paths lead to the same images."""
    prefix = catalog.prefix_of(pair.source)
    if not prefix or prefix != catalog.prefix_of(pair.target):
        return
    first, second = (Path(name.removeprefix(prefix)).expanduser() for name in (pair.source, pair.target))
    if first.exists() and second.exists() and first.samefile(second):
        refuse_equal(pair.source)


def _cut_size(target: Half, images: int) -> int:
    """How many images of the target become its test split."""
    if images < 2 * target.outline.classes:
        name, number = as_text(target.spec.name), count(target.outline.classes, "class", "classes")
        raise RequestError(
            f"target {name} has {count(images, 'image')} of {number} and no test split, which is too few to cut one "
            "from; give it at least two images a class, or a test split"
        )
    return cut.cut_size(target.spec.name, images, cut.TEST_FRACTION, "test")


def _shuffled(images: int, seed: int) -> Tensor:
    import torch

    return torch.randperm(images, generator=torch.Generator().manual_seed(seed))


def _limited(counts: Mapping[str, int], limit: int | None) -> dict[str, int]:
    return {name: images if limit is None else min(limit, images) for name, images in counts.items()}


def _last_notes(spec: DataSpec, own: Mapping[str, int], counts: Mapping[str, int]) -> Iterator[str]:
    """What is said of the splits at the end; RequestError where too little is left to train on."""
    if "val" in own:
        yield "val split: joins train, as nobody reads the labels of either"
    if spec.limit is not None:
        yield cut.limit_note(spec.limit, counts)
    cut.check_enough(spec.name, counts["train"])
    yield f"{count(counts['train'], 'training image')} without labels, {count(counts['test'], 'test image')}"
