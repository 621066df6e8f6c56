"""What a layer's error comes to at the outputs: something is cut there, and the whole network is refitted, once."""

import copy
import math
from collections.abc import Callable, Collection, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from engine.graph.patterns import layer_nodes
from engine.graph.summarize import Structure, summarize
from engine.surgery import plan
from engine.surgery.reconstruction.activations import chunk_of
from engine.surgery.reconstruction.grams import Gram
from engine.surgery.reconstruction.reference import Reference, outputs_of
from engine.surgery.reconstruction.refit import are_enough, refit
from engine.surgery.reconstruction.removal import Removal
from engine.surgery.reconstruction.samples import positions

MOST_IMAGES = 128  # that a trial is fitted on
SAMPLES = 4_096  # of a layer: rates come out as those of a run's own refits within a tenth, in a fifth of the time
_HELD = 64  # images that a trial is measured on
_SHARE = 0.015  # that a trial's cut leaves over of what its readers give, all together: as much as an attempt's
_NOTHING = 1e-5  # a share that tells of rounding alone

Moments = Callable[[Collection[str]], Mapping[str, Gram]]  # of what these layers, and maybe others, read


class Trials:
    """The rates at which errors inside an untouched network come through to its outputs.

    Refitted layers make up for what those in front of them leave over: the same share of a layer's variance costs about
    twice as much in the last stage of a residual network as in the first. It hardly depends on how many channels go,
    nor on what is cut elsewhere, so one trial tells it for all layers that read maps of one size. Half of the N×C×H×W
    `images` are fitted on, the other half is looked at.
    """

    def __init__(
        self, structure: Structure, module: nn.Module, images: Tensor, ridge: float, seed: int, moments: Moments
    ) -> None:
        self._structure, self._module, self._ridge, self._moments = structure, module, ridge, moments
        half = min(len(images) // 2, MOST_IMAGES)
        self._reference = Reference(structure, images[:half], seed, SAMPLES)
        self._held = images[half : 2 * half][:_HELD]
        self._outputs: Tensor | None = None
        self._rates: dict[int, float] = {}
        nodes, layers = layer_nodes(structure.trace), structure.trace.layers
        self._sizes = {
            name: positions(structure.trace.values[nodes[name].all_input_nodes[0].name].shape, layer.kind == "linear")
            for name, layer in layers.items()
            if layer.kind != "depthwise"
        }
        read = np.concatenate([layer.ins for layer in layers.values()])
        self._last = {name for name, layer in layers.items() if not np.isin(layer.outs, read, kind="table").any()}

    @property
    def layers(self) -> frozenset[str]:
        """Those whose moments trials ask for."""
        groups = map(self._group, set(self._sizes.values()))
        return frozenset(name for group in groups if group is not None for name in self._readers(group))

    @torch.no_grad()
    def rate(self, layer: str) -> float:
        """Of a layer's errors: the mean squared error at the outputs, as a share of their variance, by its own share.

        One for a layer that gives the outputs itself, and where nothing tells: where there are too few images for a
        refit, where no channels can go, or half of them can and nothing to speak of is left over.
        """
        if layer in self._last or not are_enough(self._reference.images):
            return 1.0
        size = self._sizes[layer]
        if size not in self._rates:
            group = self._group(size)
            dropped, share = (frozenset[int](), 0.0) if group is None else self._cut(group)
            self._rates[size] = self._error(dropped) / share if share > _NOTHING else 1.0
        return self._rates[size]

    def _readers(self, group: int) -> list[str]:
        layers, members = self._structure.trace.layers, self._structure.members[group]
        return [name for name in self._sizes if np.isin(layers[name].ins, members).any()]

    def _group(self, size: int) -> int | None:
        """Which channels a trial of maps of this size drops: the middle ones of those that fewest layers read."""
        removable = [g for g, group in enumerate(self._structure.summary.channel_groups) if group.removable]
        readers = {g: self._readers(g) for g in removable}
        here = [g for g in removable if any(self._sizes[name] == size for name in readers[g])]
        least = min((len(readers[g]) for g in here), default=0)
        fewest = [g for g in here if len(readers[g]) == least]
        return fewest[len(fewest) // 2] if fewest else None

    def _cut(self, group: int) -> tuple[frozenset[int], float]:
        """The cheapest channels of a group that leave over enough together, at most half of them; and how much."""
        members, readers = self._structure.members[group], self._readers(group)
        grams = self._moments(readers)
        removals = [Removal(grams[name], self._structure.trace.layers[name], self._ridge) for name in readers]
        each = [removal.costs() for removal in removals]
        ascending = sorted(members.tolist(), key=lambda i: (sum(costs.get(i, 0.0) for costs in each), i))

        def share(count: int) -> float:
            return sum(removal.cost_of(ascending[:count]) for removal in removals)

        low, high = 1, max(1, len(members) // 2)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if share(middle) >= _SHARE else (middle + 1, high)
        return frozenset(ascending[:low]), share(low)

    def _error(self, dropped: frozenset[int]) -> float:
        """At the outputs on images that the refit did not see, once these channels are gone."""
        step = plan.channel_step(self._structure.trace, dropped)
        smaller = copy.deepcopy(self._module)
        plan.apply(step, smaller, self._structure)
        structure = summarize(smaller, self._structure.summary.image)
        structure.trace.graph.to(self._held.device)
        refit(structure, smaller, self._reference, [step], self._ridge)
        if self._outputs is None:
            self._outputs = self._given(self._module)
        error = float((self._given(smaller) - self._outputs).square().mean())
        variance = float(self._outputs.var(0, correction=0).mean())
        return error / variance if variance > 0 else math.nan

    def _given(self, module: nn.Module) -> Tensor:
        """What a network gives for the images that a trial is measured on: images × numbers."""
        parts = torch.split(self._held, chunk_of(self._held))
        return torch.cat([outputs_of(module(part)) for part in parts]).double()
