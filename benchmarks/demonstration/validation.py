"""Validation images as they reach each part of a network that is a chain: what a cut leaves alone is not run again."""

from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor, nn

from engine.data.load import Data
from engine.data.loader import batches


@dataclass(frozen=True)
class Validation:
    """Labels, and what the untouched network gives up to each part, worked out when it is first asked for."""

    parts: dict[str, nn.Module]  # in order, by name
    labels: Tensor
    _reached: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, module: nn.Module, data: Data) -> Self:
        """All validation images of `data`, before a chain in evaluation mode."""
        read = list(batches(data.val, data, 256, "cpu"))
        images = torch.cat([images for images, _ in read]).contiguous(memory_format=torch.channels_last)
        return cls(chain(module), torch.cat([labels for _, labels in read]), {0: images})

    def correct(self, module: nn.Module, first: str | None = None) -> int:
        """How many of them a network has right that is the untouched one up to the part `first`."""
        parts = chain(module)
        start = 0 if first is None else list(parts).index(first)
        with torch.inference_mode():
            values = self._before(start)
            for part in list(parts.values())[start:]:
                values = part(values)
        return int((values.argmax(1) == self.labels).sum())

    def _before(self, number: int) -> Tensor:
        if number not in self._reached:
            self._reached[number] = list(self.parts.values())[number - 1](self._before(number - 1))
        return self._reached[number]


def chain(module: nn.Module) -> dict[str, nn.Module]:
    """The parts of a network that run one after the other: those of its stages by themselves."""
    found: dict[str, nn.Module] = {}
    for name, part in module.named_children():
        inside = part.named_children() if isinstance(part, nn.Sequential) else ()
        found |= {f"{name}.{inner}": each for inner, each in inside} or {name: part}
    return found
