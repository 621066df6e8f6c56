"""What a dataset is to the rest of the engine: three splits, their classes and how to normalise them.

No torch at import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Item: TypeAlias = "tuple[Tensor, int]"
Triple = tuple[float, float, float]

LIMIT_SEED = 0  # which images a limit keeps must not depend on the run, or runs would be tested on different images


class ImageSource(Protocol):
    """Images that are read when they are needed."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Item:
        """One image as uint8 3×H×W, and its label."""


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a dataset, in memory or on disk. Compared and hashed by identity."""

    images: Tensor | None  # uint8 N×3×H×W on the CPU, grey repeated to 3 channels; None when they are on disk
    labels: Tensor  # int64 N
    disk: ImageSource | None = None  # where the images do not fit in memory

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor) -> Split:
        """The images at `indices`, in that order."""
        from torch.utils.data import Subset

        images = None if self.images is None else self.images[indices]
        disk: ImageSource | None = None
        if self.disk is not None:
            disk = Subset(self.disk, indices.tolist())  # type: ignore[arg-type]  # it has no base class of torch's
        return Split(images, self.labels[indices], disk)

    def with_labels(self, labels: Tensor) -> Split:
        """The same images under other labels, int64 N."""
        return Split(self.images, labels, None if self.disk is None else _Labelled(self.disk, labels))

    def joined(self, other: Split) -> Split:
        """These images, and those of a split of the same size of image behind them."""
        import torch
        from torch.utils.data import ConcatDataset

        labels = torch.cat([self.labels, other.labels])
        if self.images is not None and other.images is not None:
            return Split(torch.cat([self.images, other.images]), labels)
        sources: list[Any] = [split.disk if split.images is None else _Held(split) for split in (self, other)]
        return Split(None, labels, ConcatDataset(sources))

    def representative(self, size: int, seed: int) -> tuple[Tensor, Tensor]:
        """Indices of a seeded choice of `size` images with the classes in proportion, and of all the others."""
        order = _stratified_order(self.labels, seed)
        return order[:size], order[size:]

    def limit_to(self, size: int | None) -> Split:
        """At most `size` images, the same ones for every run."""
        return self if size is None or size >= len(self) else self.take(self.representative(size, LIMIT_SEED)[0])


@dataclass(frozen=True)
class _Labelled:
    """Images on disk under other labels."""

    images: ImageSource
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Item:
        return self.images[index][0], int(self.labels[index])


@dataclass(frozen=True, eq=False)
class _Held:
    """Images in memory beside others that are on disk."""

    split: Split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Item:
        assert self.split.images is not None
        return self.split.images[index], int(self.split.labels[index])


@dataclass(frozen=True)
class Parts:
    """A dataset as its source gives it; `val` and `test` are None where the source has none."""

    train: Split
    val: Split | None
    test: Split | None
    classes: tuple[str, ...]
    image: tuple[int, int]  # height, width
    notes: tuple[str, ...] = ()
    cover: tuple[int, int] | None = None  # as that of `Data`; None: the size of `image`


@dataclass(frozen=True, eq=False)
class Target:
    """The domain that a network is carried over to: images without labels, and a test split.

    `train` has 0 in place of every label; `answers` (int64 N) are the true ones, for a count after the end alone.
    """

    name: str
    train: Split
    test: Split
    answers: Tensor


@dataclass(frozen=True, eq=False)
class Data:
    """A dataset ready for training and measuring; of a pair SOURCE>TARGET the source, and `target` is the other."""

    name: str
    train: Split
    val: Split
    test: Split
    classes: tuple[str, ...]
    image: tuple[int, int, int]  # (3, height, width)
    mean: Triple  # of values in 0..1
    std: Triple
    flip: bool  # may a training image be mirrored?
    crop: int  # px of padding that a training image's random crop has on each side
    notes: tuple[str, ...]  # what was decided on the way
    # Height and width that an image of another size is resized to cover, before the centre of the size of `image` is
    # cut out; None: of `image` itself.
    cover: tuple[int, int] | None = None
    target: Target | None = None

    @property
    def reported(self) -> Split:
        """The test images whose accuracy a network is known by: the target's where there is one."""
        return self.test if self.target is None else self.target.test

    @property
    def unlabelled(self) -> Split:
        """The training images for what reads no labels: those of both domains where there are two."""
        return self.train if self.target is None else self.train.joined(self.target.train)


def in_memory(images: Tensor, labels: Sequence[int] | Tensor) -> Split:
    """A split of uint8 N×H×W, N×1×H×W or N×3×H×W images; grey is repeated to three channels."""
    import torch

    if images.ndim == 3:
        images = images.unsqueeze(1)
    count, _, height, width = images.shape
    return Split(images.expand(count, 3, height, width).contiguous(), torch.as_tensor(labels, dtype=torch.int64))


def _stratified_order(labels: Tensor, seed: int) -> Tensor:
    """A seeded permutation of which every beginning holds the classes in proportion."""
    import torch

    permutation = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = permutation[torch.argsort(labels[permutation], stable=True)]
    counts = torch.bincount(labels)
    class_sizes = counts[counts > 0]
    positions = torch.cat([(torch.arange(int(n), dtype=torch.float64) + 0.5) / int(n) for n in class_sizes])
    # equal places are taken in a seeded order, so that no class comes first by its number
    tie = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return by_class[tie][torch.argsort(positions[tie], stable=True)]
