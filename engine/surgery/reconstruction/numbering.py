"""Which of the untouched network's channels are left after some steps."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.graph.summarize import Structure
from engine.surgery.plan import Step


class Numbering:
    """Follows the output channels of layers through the steps from the untouched network to the pruned one."""

    def __init__(self, steps: Sequence[Step], untouched: Structure) -> None:
        self._steps = [(dict(step.channels), step.blocks) for step in steps]
        self._width = {name: len(layer.outs) for name, layer in untouched.trace.layers.items()}
        inside = {block.name: block.layers for block in untouched.summary.blocks}
        self._removed_at = {
            layer: number
            for number, (_, blocks) in enumerate(self._steps)
            for block in blocks
            for layer in inside.get(block, ())
        }

    def kept(self, chain: Sequence[str]) -> Tensor:
        """The output channels left of the last layer in a chain whose other layers stand in for it once it is removed.

        `chain` is in the order of depth and begins with a layer that is there to the end.
        """
        numbers = np.arange(self._width[chain[-1]])
        for number, (dropped, _) in enumerate(self._steps):
            standing = next(n for n in reversed(chain) if self._removed_at.get(n, len(self._steps)) > number)
            numbers = np.delete(numbers, np.array(dropped.get(standing, ()), dtype=np.int64))
        return torch.from_numpy(numbers)
