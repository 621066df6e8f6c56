"""A dataset by its headers: what a network for it is built for, before any image is decoded. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.data.images.sizing import Sizing
from engine.spec.images.label_rules import LabelRules

if TYPE_CHECKING:
    from engine.data.split import Parts


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
