"""Which of an untouched network's channels the layers of a cut one still read and give, by position."""

import copy
from collections.abc import Sequence

import numpy as np
from torch import nn

from engine.graph.channel_ids import Trace
from engine.graph.summarize import Structure
from engine.graph.trace import trace
from engine.surgery.cut import drop_channels, remove_blocks
from engine.surgery.plan import Step, dropped_identities


class Remainder:
    """Follows a network through its steps, on a copy.

    `reads` and `gives` have, for each layer, the positions among the untouched layer's inputs and outputs of those that
    are left. `removed` are the blocks that are gone.
    """

    def __init__(self, structure: Structure, module: nn.Module) -> None:
        self._structure, self._module = structure, module
        self._begin()

    def follow(self, steps: Sequence[Step]) -> None:
        """Go to where these steps lead: on from the last ones, or anew."""
        if list(steps[: len(self._done)]) != self._done:
            self._begin()
        for step in steps[len(self._done) :]:
            self._apply(step)
            self._done.append(step)

    def _begin(self) -> None:
        layers = self._structure.trace.layers
        self.reads = {name: np.arange(len(layer.ins)) for name, layer in layers.items()}
        self.gives = {name: np.arange(len(layer.outs)) for name, layer in layers.items()}
        self.removed: frozenset[str] = frozenset()
        self._done: list[Step] = []
        self._twin: nn.Module | None = None
        self._trace: Trace | None = self._structure.trace  # of the network so far; None after a step

    def _apply(self, step: Step) -> None:
        if not step.removes_something():
            return
        if self._twin is None:
            self._twin = copy.deepcopy(self._module).cpu()
        if step.blocks:
            modules = {block.name: block.modules for block in self._structure.summary.blocks}
            remove_blocks(self._twin, [path for name in step.blocks for path in modules[name]])
            self.removed |= frozenset(step.blocks)
        else:
            now = self._trace or trace(self._twin, self._structure.summary.image)
            dropped = dropped_identities(step, now)
            gone = np.array(sorted(dropped), dtype=np.int64)
            for name, layer in now.layers.items():
                self.reads[name] = self.reads[name][~np.isin(layer.ins, gone, kind="table")]
                self.gives[name] = self.gives[name][~np.isin(layer.outs, gone, kind="table")]
            drop_channels(self._twin, now, dropped)
        self._trace = None
