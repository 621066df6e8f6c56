"""A dataset by its headers: what a network for it is built for, before any image is decoded. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data.declare import SOURCES, Source
from engine.data.images import sizing
from engine.data.images.reading import fit_split
from engine.data.images.sizing import Sizing
from engine.data.split import Parts
from engine.errors import RequestError
from engine.spec import catalog
from engine.spec.images import label_rules, pairs
from engine.spec.images.label_rules import LabelRules
from engine.spec.messages import as_text
from engine.units import dimensions

if TYPE_CHECKING:
    from engine.spec.images.made_for import MadeFor
    from engine.spec.run import DataSpec


@dataclass(frozen=True)
class Wishes:
    """What a request says of images besides which they are."""

    sizing: Sizing
    labels: LabelRules | None = None  # None: they are numbers from 0 without a gap


NO_WISHES = Wishes(Sizing())


@dataclass(frozen=True)
class Outline:
    """What is known of a dataset by its headers, and the way to the rest."""

    classes: int
    image: tuple[int, int]  # height, width as the network will see them
    read: Callable[[], Parts]
    counts: Mapping[str, int] | None = None  # images of "train" and, where there, "val" and "test"
    notes: tuple[str, ...] = ()  # what was decided on the way
    names: tuple[str, ...] = ()  # of the classes, where they are known


def source_of(name: str) -> Source:
    """What reads one dataset; RequestError where there is none of that name."""
    catalog.check_dataset(name)
    return SOURCES[catalog.prefix_of(name) or name]


def outline_of(spec: DataSpec, network: MadeFor | None) -> Outline:
    """One dataset by its headers, at the size that suits the network, with the splits that it has itself."""
    source = source_of(spec.name)
    if spec.root is not None:
        catalog.check_takes_root(spec.name)
    wishes = Wishes(Sizing(spec.size_asked, network), None if spec.labels is None else label_rules.parse(spec.labels))
    arguments: list[Any] = []
    if catalog.prefix_of(spec.name):
        arguments = [_path_in(spec.name)]
    elif catalog.DATASETS[spec.name].root is not None:
        arguments = [None if spec.root is None else Path(spec.root).expanduser()]
    if source.outlines:
        found = source.read(*arguments, wishes)
        assert isinstance(found, Outline)
        return found
    return _outline_of_parts(spec, partial(source.read, *arguments), wishes)


def _path_in(name: str) -> Path:
    """The path behind a prefix; RequestError where there is none such, and a > in it may be meant for a pair's."""
    (text,) = catalog.paths_of(name)
    path = Path(text).expanduser()
    if ">" in text and not path.exists():
        second = as_text(text.rpartition(">")[2])
        lacks = f"no dataset is called {second!r}" if second else "nothing stands behind its >"
        raise RequestError(f"there is no {as_text(path)}; {lacks}, where a pair has its target: {pairs.FORM}")
    return path


def _outline_of_parts(spec: DataSpec, read: partial[Any], wishes: Wishes) -> Outline:
    """For a source that gives its images at one size."""
    if spec.name in catalog.DATASETS:
        dataset = catalog.DATASETS[spec.name]
        size = declared_size(dataset, wishes.sizing)
        return Outline(dataset.classes, size, lambda: _resized(read(), size), names=dataset.names)
    parts: Parts = read()
    size = sizing.choose(Counter({parts.image: 1}), wishes.sizing).size
    resized = _resized(parts, size)
    return Outline(len(parts.classes), size, lambda: resized, notes=resized.notes, names=parts.classes)


def declared_size(dataset: catalog.Dataset, wishes: Sizing) -> sizing.Size:
    """Height and width of the images of a dataset that a name alone stands for."""
    return sizing.choose(Counter({dataset.image[1:]: 1}), wishes).size


def _resized(parts: Parts, size: sizing.Size) -> Parts:
    """The same images at another size, and a note of it."""
    if parts.image == size:
        return parts
    shape = sizing.Fit(*size)
    train, val, test = (split and fit_split(split, shape) for split in (parts.train, parts.val, parts.test))
    assert train is not None
    note = f"images are resized from {dimensions(parts.image)} to {dimensions(size)} px"
    return Parts(train, val, test, parts.classes, size, (*parts.notes, note))
