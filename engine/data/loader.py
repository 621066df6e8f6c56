"""Batches of normalised images: from memory in one indexing operation each, from disk through a DataLoader.

No torch at import.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from engine.data.split import Data, Item, Split
from engine.errors import WorkError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.utils.data import DataLoader, Dataset

_MOST_WORKERS = 8

# Copies of a split's images on accelerators: made once, freed with the split.
_device_copies: WeakKeyDictionary[Split, dict[torch.device, Tensor]] = WeakKeyDictionary()


def batches(
    split: Split,
    data: Data,
    batch_size: int,
    device: torch.device | str,
    *,
    augment: bool = False,
    seed: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised float32 N×3×H×W images and int64 labels on `device`, every image of the split once.

    With `seed` the order is shuffled, and no batch has one image: a single one left over joins the batch before it
    (batch normalisation cannot train on one). `augment` takes random crops and flips as `data` allows; it needs a seed.
    """
    import torch

    if augment and seed is None:
        raise ValueError("augmentation needs a seed")
    device = torch.device(device)
    generator = torch.Generator()
    if seed is None:
        order = torch.arange(len(split))
    else:
        order = torch.randperm(len(split), generator=generator.manual_seed(seed))
    chunks = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if seed is not None and len(chunks) > 1 and len(chunks[-1]) == 1:
        chunks[-2:] = [torch.cat(chunks[-2:])]
    raw = _from_disk(split, chunks) if split.images is None else _from_memory(split.images, split, chunks, device)
    for pixels, labels in raw:
        moved = pixels.to(device, non_blocking=True)
        images = _augment(moved, data, generator) if augment else moved
        yield normalise(images, data), labels.to(device, non_blocking=True)


def normalise(images: Tensor, data: Data) -> Tensor:
    """uint8 N×3×H×W images as float32 with `data`'s mean taken off and its deviation divided out."""
    import torch

    mean = torch.tensor(data.mean, device=images.device).mul_(255).view(1, 3, 1, 1)
    scale = torch.tensor(data.std, device=images.device).mul_(255).reciprocal_().view(1, 3, 1, 1)
    return images.float().sub_(mean).mul_(scale)


def _from_memory(
    images: Tensor, split: Split, chunks: list[Tensor], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    if device.type != "cpu":
        copies = _device_copies.setdefault(split, {})
        images = copies[device] if device in copies else copies.setdefault(device, images.to(device))
    for chunk in chunks:
        yield images[chunk.to(images.device)], split.labels[chunk]


def _from_disk(split: Split, chunks: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    import torch
    from torch.utils.data import DataLoader

    assert split.disk is not None
    loader: DataLoader[tuple[Tensor, Tensor] | WorkError] = DataLoader(
        _Carrier(split.disk),  # type: ignore[arg-type]  # items by index, and collated into batches
        batch_sampler=[chunk.tolist() for chunk in chunks],
        collate_fn=_collate,
        num_workers=min(_MOST_WORKERS, os.cpu_count() or 1, len(chunks)),
        generator=torch.Generator(),  # its own, or starting workers would advance the global random state
    )
    failure: WorkError | None = None
    for batch in loader:
        if isinstance(batch, WorkError):
            failure = batch
            break  # raised outside: in the traceback the loader's iterator would live on, and its workers with it
        yield batch
    if failure is not None:
        raise failure


class _Carrier:
    """A dataset whose items may be the error that reading one came to: raised in a worker process, it would arrive as
    the text of a traceback."""

    def __init__(self, disk: Dataset[Item]) -> None:
        self._disk = disk

    def __getitem__(self, index: int) -> Item | WorkError:
        try:
            return self._disk[index]
        except WorkError as error:
            return error


def _collate(items: list[Item | WorkError]) -> tuple[Tensor, Tensor] | WorkError:
    """Images and labels of a batch; the first error where there is one."""
    for item in items:
        if isinstance(item, WorkError):
            return item
    from torch.utils.data import default_collate

    images, labels = default_collate(items)
    return images, labels


def _augment(images: Tensor, data: Data, generator: torch.Generator) -> Tensor:
    """A random crop of each zero-padded image, mirrored half of the time where `data` allows it."""
    import torch
    import torch.nn.functional as F

    count, channels, height, width = images.shape
    device = images.device
    offset = torch.randint(0, 2 * data.crop + 1, (2, count, 1), generator=generator).to(device)
    flip = (torch.rand(count, 1, generator=generator) < 0.5).to(device)
    rows = torch.arange(height, device=device) + offset[0]
    columns = torch.arange(width, device=device).expand(count, width)
    if data.flip:
        columns = torch.where(flip, columns.flip(1), columns)
    columns = columns + offset[1]
    frame = F.pad(images, (data.crop,) * 4)
    image = torch.arange(count, device=device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=device).view(1, -1, 1, 1)
    return frame[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
