"""Attempts judged by what a reconstruction after them would leave over: none is run, nothing is cut."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from engine.criteria.attempts.shared_prefix import Attempt
from engine.criteria.reconstruction.block_moments import LONGEST, BlockMoments
from engine.criteria.reconstruction.layer_fit import Addition, LayerFit
from engine.criteria.reconstruction.remainder import Remainder
from engine.criteria.reconstruction.trials import Trials
from engine.errors import WorkError
from engine.graph.channel_ids import Ids
from engine.graph.summarize import Structure
from engine.surgery.plan import Step
from engine.surgery.reconstruction.grams import Gram, measure_grams
from engine.surgery.reconstruction.removal import Removal
from engine.surgery.reconstruction.samples import SAMPLES

_Left = tuple[bytes, bytes]  # the inputs and outputs that are left of a layer


MOST_IMAGES = 256  # that the matrices of a whole run are measured on


@dataclass(frozen=True)
class Look:
    """How many images are looked at, and about how many samples of each layer are taken of them together."""

    images: int
    samples: int


# Puts blocks in the same order as more do: all positions of maps of up to 8 × 8, where layers are wide.
GLANCE = Look(128, 8_192)


class Leftover:
    """What reconstruction leaves over after any cut of an untouched network, from one look at that network.

    A layer that reads fewer channels than it did, or takes over the blocks behind it, leaves over what the best weights
    for the rest of its inputs do not bring about of its values (ridge regression on the untouched network's), as a
    share of the variance of the value that it ends in. Channels cost what that comes to at the outputs: the sum of
    these shares by the rate of a trial. Where blocks are among the attempts, all cost the sum of the squares of the
    shares: what is lost in one place hurts more than as much in several. Of the N×C×H×W `images` the matrices are
    measured, on their device; where blocks are compared, of the first of them as `blocks` says, or of all.
    """

    def __init__(
        self,
        structure: Structure,
        module: nn.Module,
        images: Tensor,
        ridge: float,
        seed: int,
        blocks: Look | None = None,
    ) -> None:
        self._structure, self._module, self._images = structure, module, images
        self._look_at_blocks = blocks or Look(len(images), SAMPLES)
        self._ridge, self._seed = ridge, seed
        self._remainder = Remainder(structure, module)
        self._trials = Trials(structure, module, images, ridge, seed, self._moments)
        self._takes_blocks = False
        self._found: dict[bool, dict[str, Gram]] = {False: {}, True: {}}  # without blocks to take over, and with them
        # Of each layer as it was last asked for:
        self._fits: dict[str, tuple[_Left, LayerFit]] = {}
        self._removals: dict[str, tuple[LayerFit, list[str], Removal]] = {}
        self._layers = {b.name: b.layers for b in structure.summary.blocks}

    @torch.no_grad()
    def rises(self, steps: Sequence[Step], now: Structure, attempts: Sequence[Attempt]) -> list[float]:
        """What each attempt on the network `now`, which `steps` made of the untouched one, would cost more."""
        self._remainder.follow(steps)
        removed = self._remainder.removed
        takes_blocks = bool(removed) or any(attempt.modules for attempt in attempts)
        dropped = np.array(sorted({i for a in attempts for i in a.dropped}), dtype=np.int64)
        layers = [name for name, x in now.trace.layers.items() if self._is_cut(name) or np.isin(x.ins, dropped).any()]
        self._measure([*layers, *(self._blocks.layers if takes_blocks else ())], takes_blocks)
        if any(attempt.modules for attempt in attempts):
            costs = [self._of_either(now, attempt, removed) for attempt in attempts]
        else:
            costs = [self._at_outputs(now, attempt.dropped) for attempt in attempts]
        for attempt, cost in zip(attempts, costs, strict=True):
            if not math.isfinite(cost):
                raise WorkError(
                    f"what reconstruction would leave over without {attempt.name} is not a finite number: the "
                    "network's weights or images are not, as after a learning rate at which training diverged "
                    "(--train-lr)"
                )
        return costs

    @torch.no_grad()
    def block_scores(self, names: Sequence[str]) -> dict[str, float]:
        """What each block costs when its turn comes: the cheapest one goes first, then the cheapest without that one.

        Roots of costs: for a block by itself the share of the variance that is left over. Where one costs less than one
        that goes before, its score is the next number above that one's.
        """
        self._measure(self._blocks.layers, takes_blocks=True)
        scores: dict[str, float] = {}
        while len(scores) < len(names):
            costs = {name: self._without_block(name, frozenset(scores)) for name in names if name not in scores}
            cheapest = min(costs, key=lambda name: (costs[name], name))
            least = math.nextafter(max(scores.values()), math.inf) if scores else -math.inf
            scores[cheapest] = max(_root(costs[cheapest]), least)
        return scores

    def _prepare(self) -> None:
        """Have the network ready to be looked at, wherever it was since."""
        self._module.to(self._images.device).eval()
        self._structure.trace.graph.to(self._images.device)

    @cached_property
    def _blocks(self) -> BlockMoments:
        self._prepare()
        look = self._look_at_blocks
        return BlockMoments(self._structure, self._module, self._images[: look.images], self._seed, look.samples)

    def _is_cut(self, layer: str) -> bool:
        """Whether a layer that mixes channels has lost some of its inputs."""
        untouched = self._structure.trace.layers[layer]
        return untouched.kind != "depthwise" and len(self._remainder.reads[layer]) < len(untouched.ins)

    def _measure(self, layers: Collection[str], takes_blocks: bool) -> None:
        """Have the moments of what these layers read, and those that taking over blocks needs."""
        if takes_blocks != self._takes_blocks:  # other images are looked at: nothing that was fitted to the last counts
            self._takes_blocks = takes_blocks
            self._fits.clear()
            self._removals.clear()
        kinds = {name: layer.kind for name, layer in self._structure.trace.layers.items()}
        missing = [x for x in dict.fromkeys(layers) if kinds[x] != "depthwise" and x not in self._grams]
        if missing:
            self._prepare()
            if takes_blocks:
                grams = self._blocks.measure(missing)
            else:
                grams = measure_grams(self._structure.trace, self._images, missing, self._seed)
            self._grams.update((gram.layer, gram) for gram in grams)
        if takes_blocks:
            self._blocks.compute()

    @property
    def _grams(self) -> dict[str, Gram]:
        return self._found[self._takes_blocks]

    def _of_either(self, now: Structure, attempt: Attempt, removed: frozenset[str]) -> float:
        """What an attempt costs that is compared with blocks."""
        if attempt.modules:
            return self._without_block(attempt.name, removed)
        cost = 0.0
        for name, gone in self._bereft(now, attempt.dropped):
            share = self._share(name, removed)
            cost += (share + self._removal(name)[0].cost_of(gone.tolist())) ** 2 - share**2
        return cost

    def _at_outputs(self, now: Structure, dropped: frozenset[int]) -> float:
        """What dropping channels comes to at the outputs, as a share of their variance."""
        return sum(
            self._trials.rate(name) * self._removal(name)[0].cost_of(gone.tolist())
            for name, gone in self._bereft(now, dropped)
        )

    def _bereft(self, now: Structure, dropped: frozenset[int]) -> Iterator[tuple[str, Ids]]:
        """The layers that mix channels and read some of these, each with the untouched identities of those."""
        gone = np.array(sorted(dropped), dtype=np.int64)
        for name, layer in now.trace.layers.items():
            positions = np.flatnonzero(np.isin(layer.ins, gone, kind="table"))
            if len(positions) and layer.kind != "depthwise":
                yield name, self._removal(name)[1][positions]

    def _moments(self, layers: Collection[str]) -> Mapping[str, Gram]:
        """Of what these layers read, and of others; the network is ready to be looked at."""
        self._measure(layers, self._takes_blocks)
        self._prepare()
        return self._grams

    def _removal(self, layer: str) -> tuple[Removal, Ids]:
        """What dropping more inputs of a layer costs, as it is now, and the untouched identities of those it has."""
        untouched = self._structure.trace.layers[layer]
        row, fit = self._row_behind(layer, self._remainder.removed)[:LONGEST], self._fit(layer)
        ids = untouched.ins[self._remainder.reads[layer]]
        if layer not in self._removals or self._removals[layer][:2] != (fit, row):
            moments = fit.moments(self._addition(layer, row))
            variance = self._blocks.variance(row[-1]) if row else moments.variance
            removal = Removal(replace(moments, variance=variance), replace(untouched, ins=ids), self._ridge)
            self._removals[layer] = fit, row, removal
        return self._removals[layer][2], ids

    def _without_block(self, name: str, removed: frozenset[str]) -> float:
        """The block joins those removed before and behind it, which one layer then takes over together."""
        blocks = self._blocks
        row = [name]
        while (before := blocks.takeover(row[0]).follows) is not None and before in removed:
            row.insert(0, before)
        earlier = row[:-1]
        row = [*earlier, *self._removed_from(name, removed | {name})]
        cost = self._cost_of_row(row)
        layer = blocks.takeover(row[0]).layer
        if layer is not None:
            cost -= self._cost(layer, removed)
        elif earlier:
            cost -= self._cost_of_row(earlier)
        return cost - sum(self._cost(inner, removed) for inner in self._layers[name])

    def _removed_from(self, first: str | None, removed: Collection[str]) -> list[str]:
        """The removed blocks in a row that begins with `first`."""
        row: list[str] = []
        while first is not None and first in removed:
            row.append(first)
            first = self._blocks.next(first)
        return row

    def _row_behind(self, layer: str, removed: Collection[str]) -> list[str]:
        """The removed blocks that a layer has taken over."""
        return self._removed_from(self._blocks.first_after(layer), removed) if removed else []

    def _cost(self, layer: str, removed: Collection[str]) -> float:
        """Of a layer, with the blocks that it has taken over."""
        row = self._row_behind(layer, removed)
        return self._cost_of_row(row) if row else self._share(layer, ()) ** 2

    def _cost_of_row(self, row: Sequence[str]) -> float:
        """Of taking over the blocks of a row; of a long one as of several."""
        parts = [row[start : start + LONGEST] for start in range(0, len(row), LONGEST)]
        return sum(self._share_of_row(part) ** 2 for part in parts)

    def _share(self, layer: str, removed: Collection[str]) -> float:
        """What a layer leaves over."""
        if row := self._row_behind(layer, removed)[:LONGEST]:
            return self._share_of_row(row)
        if not self._is_cut(layer):
            return 0.0
        return _quotient(self._fit(layer).left(None), self._grams[layer].variance)

    def _share_of_row(self, row: Sequence[str]) -> float:
        """What is left over of the value behind a row of blocks, once they are taken over."""
        layer = self._blocks.takeover(row[0]).layer
        if layer is None:
            left = self._blocks.bypassed(row[0], row[-1])
        else:
            left = self._fit(layer).left(self._addition(layer, row))
        return _quotient(left, self._blocks.variance(row[-1]))

    def _fit(self, layer: str) -> LayerFit:
        """A layer with what is left of it."""
        reads, gives = self._remainder.reads[layer], self._remainder.gives[layer]
        left = (reads.tobytes(), gives.tobytes())
        if layer not in self._fits or self._fits[layer][0] != left:
            untouched = self._structure.trace.layers[layer]
            self._fits[layer] = left, LayerFit(self._grams[layer], untouched, reads, gives, self._ridge)
        return self._fits[layer][1]

    def _addition(self, layer: str, row: Sequence[str]) -> Addition | None:
        """What a layer is to add where it takes over the blocks of a row."""
        return self._blocks.addition(row[0], row[-1]) if row else None


def _root(cost: float) -> float:
    """The square root, below zero that of the opposite with its sign."""
    return math.copysign(math.sqrt(abs(cost)), cost)


def _quotient(left: float, variance: float) -> float:
    """A share of a variance; a value that is the same for all images is left over nowhere."""
    return 0.0 if variance <= 0 else left / variance
