"""Calibration images as a caller has them: a tensor, a pair with labels, or batches of either."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from engine.criteria.calibration import CALIBRATION_BATCH, CALIBRATION_IMAGES, EVALUATION_BATCH
from engine.errors import RequestError

_FORMS = "a tensor N×C×H×W, a pair of it and N labels, or batches of either"


@dataclass(frozen=True)
class ImageTensor:
    """Normalised float32 N×C×H×W images and int64 labels, N or none, on one device."""

    images: Tensor
    labels: Tensor | None

    @property
    def device(self) -> torch.device:
        return self.images.device

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> "ImageTensor":
        """The same on `device`."""
        return ImageTensor(self.images.to(device), None if self.labels is None else self.labels.to(device))

    def take(self, indices: Tensor) -> Self:
        """The images at `indices`, in that order."""
        at = indices.to(self.device)
        return type(self)(self.images[at], None if self.labels is None else self.labels[at])

    def batches(self, size: int = EVALUATION_BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels, in order; labels are 0 where none were given, for criteria that read none."""
        labels = torch.zeros(len(self), dtype=torch.int64, device=self.device) if self.labels is None else self.labels
        for start in range(0, len(self), size):
            yield self.images[start : start + size], labels[start : start + size]

    def calibration_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The first 640 images, as criteria read them."""
        part = self if len(self) <= CALIBRATION_IMAGES else self.take(torch.arange(CALIBRATION_IMAGES))
        return part.batches(CALIBRATION_BATCH)


def read_images(source: Any, image: tuple[int, int, int], limit: int | None = None) -> ImageTensor:
    """The images in `source`, of `image` = (channels, height, width), on the CPU; of batches about `most` are read.

    RequestError when they are something else.
    """
    if isinstance(source, Tensor) or _is_pair(source):
        return _join([_batch(source, image)])
    if not isinstance(source, Iterable):
        raise RequestError(f"calibration is {_FORMS}; a {type(source).__name__} was given")
    parts: list[tuple[Tensor, Tensor | None]] = []
    for item in source:
        parts.append(_batch(item, image))
        if limit is not None and sum(len(images) for images, _ in parts) >= limit:
            break
    return _join(parts)


def _is_pair(source: Any) -> bool:
    """Whether it is images with labels; two batches in a list are no pair, as both have four axes."""
    tensors = isinstance(source, tuple | list) and len(source) == 2 and all(isinstance(part, Tensor) for part in source)
    return tensors and source[1].dim() == 1


def _batch(source: Any, image: tuple[int, int, int]) -> tuple[Tensor, Tensor | None]:
    images, labels = source if _is_pair(source) else (source, None)
    if not isinstance(images, Tensor):
        raise RequestError(f"calibration is {_FORMS}; a {type(images).__name__} was among them")
    size = "×".join(map(str, image))
    if tuple(images.shape[1:]) != image or not images.is_floating_point():
        kind = f"{str(images.dtype).removeprefix('torch.')} of shape {'×'.join(map(str, images.shape))}"
        raise RequestError(f"calibration images are normalised floats N×{size}; {kind} was given")
    if labels is not None and (len(labels) != len(images) or labels.is_floating_point()):
        raise RequestError(f"{len(images)} calibration images need as many whole numbers for labels, in one axis")
    return images.detach().cpu().float(), None if labels is None else labels.detach().cpu().long()


def _join(parts: list[tuple[Tensor, Tensor | None]]) -> ImageTensor:
    if not sum(len(images) for images, _ in parts):
        raise RequestError("calibration holds no image; give some")
    labels = [part_labels for _, part_labels in parts if part_labels is not None]
    if labels and len(labels) < len(parts):
        raise RequestError("calibration has labels for some batches only; give them for all or none")
    return ImageTensor(torch.cat([images for images, _ in parts]), torch.cat(labels) if labels else None)
