"""What untouched layers would have to give besides what they give to take over the blocks behind them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, fx, nn

from engine.criteria.reconstruction.layer_fit import Addition
from engine.criteria.reconstruction.takeover import Takeover, find_takeovers, is_features
from engine.graph.summarize import Structure
from engine.surgery.reconstruction.grams import Beside, Gram, measure_grams
from engine.surgery.reconstruction.reference import Reference

LONGEST = 12  # blocks in a row that one layer takes over; of a longer row the next layer takes over the rest


class BlockMoments:
    """Blocks in a row, and what the layer before the first would have to add to its output to stand for them all.

    That is the difference between the untouched network's values behind the last block and where the layer's own output
    ends, in the samples of a `Reference`.
    """

    def __init__(self, structure: Structure, module: nn.Module, images: Tensor, seed: int, samples: int) -> None:
        self._trace = structure.trace
        self._takeovers = find_takeovers(structure, module)
        self._next = {t.follows: name for name, t in self._takeovers.items() if t.follows is not None}
        self._reference = Reference(structure, images, seed, samples)
        nodes = {node for t in self._takeovers.values() for node in (t.start, t.end)}
        self._nodes = {node: is_features(self._trace, node) for node in nodes}
        self._variances: dict[str, float] = {}
        self._added: dict[tuple[str, str], Addition] = {}
        self._firsts = {t.layer: name for name, t in self._takeovers.items() if t.layer is not None}

    @property
    def layers(self) -> list[str]:
        """The layers that can take blocks over, in order of depth."""
        return list(self._firsts)

    def takeover(self, block: str) -> Takeover:
        """What takes over `block`, and those removed behind it."""
        return self._takeovers[block]

    def first_after(self, layer: str) -> str | None:
        """The block that `layer` would take over."""
        return self._firsts.get(layer)

    def next(self, block: str) -> str | None:
        """The block directly behind."""
        return self._next.get(block)

    def measure(self, layers: Collection[str]) -> Iterator[Gram]:
        """The moments of what these layers read; with those of what they are to add where they can take blocks over."""
        looked = self._reference
        beside = Beside(looked, self._nodes, {name: self._ends(name) for name in layers if name in self._firsts})
        for gram in measure_grams(self._trace, looked.images, layers, looked.seed, beside, looked.count):
            yield gram if gram.cross is None else _with_additions(gram)

    def compute(self) -> None:
        """Have the values at hand that no layer's moments were measured beside."""
        self._reference.compute(self._nodes.items())

    def addition(self, first: str, last: str) -> Addition:
        """What the layer would have to add for the blocks from `first` to `last`."""
        key = (first, last)
        if key not in self._added:
            difference = self._difference(first, last)
            start = self.row(first).index(last) * difference.shape[1]
            self._added[key] = Addition(start, difference.double().var(0, correction=0))
        return self._added[key]

    def variance(self, last: str) -> float:
        """Of the value behind a block, summed over its channels; not above zero where it is the same for all images."""
        if last not in self._variances:
            values = self._reference.samples(self._takeovers[last].end)
            self._variances[last] = float(values.double().var(0, correction=0).sum())
        return self._variances[last]

    def bypassed(self, first: str, last: str) -> float:
        """The mean square, summed over channels, of what is missing where nothing takes the blocks over."""
        return float(self._difference(first, last).double().square().mean(0).sum())

    def row(self, first: str) -> Sequence[str]:
        """The blocks that the layer before `first` can take over together, from it on."""
        names = [first]
        while len(names) < LONGEST and (name := self._next.get(names[-1])) is not None:
            names.append(name)
        return names

    def _ends(self, layer: str) -> list[fx.Node]:
        """Where the output of `layer` ends, then the ends of the blocks in a row after it."""
        first = self._firsts[layer]
        return [self._takeovers[first].start, *(self._takeovers[last].end for last in self.row(first))]

    def _difference(self, first: str, last: str) -> Tensor:
        samples = self._reference.samples
        return samples(self._takeovers[last].end) - samples(self._takeovers[first].start)


def _with_additions(gram: Gram) -> Gram:
    """With the moments of what is to be added, block by block, in place of those with the ends of `BlockMoments`."""
    assert gram.cross is not None
    start, *ends = gram.cross.split(gram.weight.shape[1], 1)  # type: ignore[no-untyped-call]
    return replace(gram, cross=torch.cat([end - start for end in ends], 1))
