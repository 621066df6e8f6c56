"""Samples of what a layer reads and of what it should give, taken at some positions of each image."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLES = 16_384  # of a layer, where its maps have as many positions
LEAST_POSITIONS = 1  # of each image
_POSITIONS = 16  # of each image, where more images are asked for than that gives `SAMPLES`
MOST_REMEMBERED = 1 << 30  # bytes of samples that stay for later cuts of the same network


def samples_of(images: int, outputs: int) -> int:
    """Samples of each layer where `images` were asked for, of a network whose layers have `outputs` channels in all.

    As many of each image as the usual number of images has, so that more images say more; no more than can be
    remembered of all layers, or `SAMPLES` where those are more.
    """
    return max(SAMPLES, min(_POSITIONS * images, MOST_REMEMBERED // (4 * max(outputs, 1))))


@dataclass(frozen=True)
class Places:
    """Positions in each image's map, drawn for one size of maps: images × positions."""

    numbers: Tensor

    @classmethod
    def draw(cls, images: int, count: int, seed: int, samples: int = SAMPLES) -> "Places":
        """All of `count` positions where few images or positions are there, else some of each image's own.

        That makes `samples` of all images together.
        """
        wanted = max(LEAST_POSITIONS, ceil(samples / images))
        if count <= wanted:
            return cls(torch.arange(count).expand(images, count))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + count)
        return cls(torch.randint(count, (images, wanted), generator=generator))

    @property
    def each(self) -> int:
        """Positions of one image."""
        return self.numbers.shape[1]

    def of(self, start: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Image numbers (as a column) and positions of a chunk of images that begins at `start`."""
        numbers = self.numbers[start : start + length].to(device)
        return torch.arange(length, device=device)[:, None], numbers


def join(parts: Iterable[Tensor], rows: int) -> Tensor:
    """What `torch.cat` makes of parts with so many rows together, which are never all there beside it."""
    whole, start = torch.empty(0), 0
    for part in parts:
        if not start:
            lies_last = part.dim() == 4 and part.is_contiguous(memory_format=torch.channels_last)
            layout = torch.channels_last if lies_last else torch.contiguous_format
            whole = torch.empty(rows, *part.shape[1:], dtype=part.dtype, device=part.device, memory_format=layout)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def positions(shape: torch.Size, is_linear: bool) -> int:
    """How many positions a map of N×C×H×W, or features of N×…×C, have."""
    return prod(shape[1:-1] if is_linear else shape[2:])


def output_samples(values: Tensor, is_linear: bool, images: Tensor, places: Tensor) -> Tensor:
    """Samples × channels of an N×C×H×W map, or of N×…×C features."""
    if is_linear:
        return values.reshape(len(values), -1, values.shape[-1])[images, places].flatten(0, 1)
    return values.flatten(2)[images, :, places].flatten(0, 1)


def input_samples(layer: Any, x: Tensor, width: int, images: Tensor, places: Tensor) -> Tensor:
    """Samples × (channels·taps) of what a convolution or linear layer reads; `width` is that of its output map."""
    if isinstance(layer, torch.nn.Linear):
        return output_samples(x, True, images, places)
    padding = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(x, padding, mode=mode) if any(padding) else x
    (rows_step, columns_step), (rows_apart, columns_apart) = layer.stride, layer.dilation
    height, across = padded.shape[2:]
    corner = (images * height + places // width * rows_step) * across + places % width * columns_step
    down, right = (torch.arange(n, device=x.device) for n in layer.kernel_size)
    taps = (down[:, None] * (rows_apart * across) + right * columns_apart).flatten()
    pixels = padded.permute(0, 2, 3, 1).reshape(-1, padded.shape[1])  # no copy of channels that lie together
    read = pixels.index_select(0, (corner.flatten()[:, None] + taps).flatten())
    return read.view(places.numel(), len(taps), -1).transpose(1, 2).flatten(1)
