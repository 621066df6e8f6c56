"""How large a network sees the images of a data set: decided here alone, by what their headers say. No torch.

As asked for; else the commonest size, where at least half of the images have it and it is within what the network is
made for; else what the network is made for. An image of another size keeps its aspect: it is made to cover that size,
and what is beyond is cut off on both sides alike (`PIL.ImageOps.fit`, bilinear).
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.spec.images.made_for import MadeFor
from engine.units import dimensions
from engine.words import count

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]  # height, width in px

USUAL_SIDE = 224  # px; at most that for a network of which nobody says what it is made for


@dataclass(frozen=True)
class Sizing:
    """What a size is chosen by."""

    asked: Size | None = None
    network: MadeFor | None = None  # None: one of which nobody says what it is made for

    @property
    def own(self) -> Size | None:
        """What the network is made for, where that is known."""
        return None if self.network is None or self.network.image is None else self.network.image[1:]


@dataclass(frozen=True)
class Choice:
    """The size that was chosen, and why."""

    height: int
    width: int
    why: str

    @property
    def size(self) -> Size:
        return self.height, self.width


@dataclass(frozen=True)
class Fit:
    """Any image at exactly height × width px: resized until it covers them, and cut at the centre."""

    height: int
    width: int

    def __call__(self, image: Image.Image) -> Image.Image:
        from PIL import Image, ImageOps

        size = (self.width, self.height)
        return image if image.size == size else ImageOps.fit(image, size, Image.Resampling.BILINEAR)


def choose(sizes: Counter[Size], sizing: Sizing, among: str = "") -> Choice:
    """The size for images of which so many have each size; `among` says where they are counted, such as "in train"."""
    if sizing.asked is not None:
        return Choice(*sizing.asked, "as asked for")
    own = sizing.own
    (height, width), number = max(sizes.items(), key=lambda item: (item[1], item[0][::-1]))
    most = own or (USUAL_SIDE, USUAL_SIDE)
    if 2 * number >= sizes.total() and height <= most[0] and width <= most[1]:
        return Choice(height, width, f"the commonest size {among}".rstrip())
    if own is not None and sizing.network is not None:
        return Choice(*own, f"which {sizing.network.model} is made for")
    side = min(USUAL_SIDE, statistics.median_low(min(size) for size in sizes.elements()))
    if side == USUAL_SIDE:
        return Choice(side, side, "the most that is taken unless another size is asked for")
    return Choice(side, side, "the median of the shorter sides")


def describe(choice: Choice, sizes: Counter[Size]) -> str:
    """The note: the size, why, and how many images are changed for it."""
    text = f"images are {dimensions(choice.size)} px"
    others = {size: number for size, number in sizes.items() if size != choice.size}
    if not others:
        return text
    resized, cut = sum(others.values()), sum(n for size, n in others.items() if _is_cut(size, choice.size))
    smallest, *_, largest = sorted(others, key=lambda size: (size[0] * size[1], size)) * 2
    span = dimensions(smallest) if smallest == largest else f"{dimensions(smallest)} to {dimensions(largest)}"
    text += f", {choice.why}; {resized:,} of {sizes.total():,} were resized to it, from {span} px"
    return text + (f", and {count(cut, 'was', 'were')} cut at the centre" if cut else "")


def _is_cut(size: Size, target: Size) -> bool:
    """Whether an image that covers the target reaches a pixel or more beyond it."""
    scale = max(target[0] / size[0], target[1] / size[1])
    return max(size[0] * scale - target[0], size[1] * scale - target[1]) >= 1
