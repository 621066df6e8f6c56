"""The untouched network's values at sampled positions of the calibration images, each computed once."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, fx

from engine.graph.summarize import Structure
from engine.surgery.reconstruction.activations import chunk_of
from engine.surgery.reconstruction.execution import execute
from engine.surgery.reconstruction.samples import MOST_REMEMBERED, SAMPLES, Places, output_samples, positions


class Memory(Protocol):
    """Where values outlive the process, for other references to the same network, images, seed and count."""

    def load(self, name: str) -> Tensor | None:
        """The values of that name, bit for bit as they were, on the CPU; None where there are none."""

    def save(self, name: str, values: Tensor) -> None:
        """Have these there from now on."""

    def alone(self) -> AbstractContextManager[None]:
        """Others that compute values of the same reference wait until this is left."""


class Reference:
    """What an untouched network, in evaluation mode and on the images' device, gives for N×C×H×W images.

    May serve any number of cuts of it: what one has asked for is there for the next. The same images and seed give the
    same samples, about `count` of each layer. With a `memory` that has what another one has computed.
    """

    def __init__(
        self,
        structure: Structure,
        images: Tensor,
        seed: int = 0,
        count: int = SAMPLES,
        memory: Memory | None = None,
    ) -> None:
        self._memory = memory
        self.structure, self.images, self.seed, self.count = structure, images, seed, count
        self._samples: dict[fx.Node, Tensor] = {}
        self._places: dict[int, Places] = {}
        self._outputs: dict[int, Tensor] = {}

    def places(self, count: int) -> Places:
        """The positions that are looked at in maps of `count` positions."""
        if count not in self._places:
            self._places[count] = Places.draw(len(self.images), count, self.seed, self.count)
        return self._places[count]

    def samples(self, node: fx.Node) -> Tensor:
        """Samples × channels at a node that `compute` was asked for."""
        return self._samples[node]

    def compute(self, wanted: Iterable[tuple[fx.Node, bool]]) -> None:
        """Have the samples of these nodes at hand: maps of N×C×H×W, or features of N×…×C where it says so.

        One pass through the network brings all that are missing.
        """
        asked = dict(wanted)
        if sum(map(_bytes, self._samples.values())) > MOST_REMEMBERED:
            self._samples = {node: samples for node, samples in self._samples.items() if node in asked}
        if not self._missing(asked):
            return
        with nullcontext() if self._memory is None else self._memory.alone():
            missing = self._missing(asked)  # some may be there by now
            if missing:
                self._compute(missing)

    def _compute(self, missing: Mapping[fx.Node, bool]) -> None:
        collector = Collector(self, missing)
        graph, chunk = self.structure.trace.graph, chunk_of(self.images)
        order, last_use = _order(graph.graph, missing)
        for start in range(0, len(self.images), chunk):
            images = self.images[start : start + chunk]
            values: dict[fx.Node, Any] = {}
            for node in order:
                values[node] = execute(graph, node, values, images)
                collector.take(node, values[node], start)
                for done in last_use.get(node, ()):
                    del values[done]
        collector.finish()

    def collector(self, wanted: Mapping[fx.Node, bool]) -> "Collector":
        """What takes these nodes' samples, as far as they are missing, while another pass goes through the network."""
        return Collector(self, self._missing(wanted))

    def collector_of_few(self, wanted: Mapping[fx.Node, bool]) -> "Collector":
        """The same; none of them where all together would be too many to remember."""
        missing = self._missing(wanted)
        numbers = 0
        for node, is_linear in missing.items():
            shape = self.structure.trace.values[node.name].shape
            each = self.places(positions(shape, is_linear)).each
            numbers += len(self.images) * each * shape[-1 if is_linear else 1]
        return Collector(self, missing if 4 * numbers <= MOST_REMEMBERED else {})

    @torch.no_grad()
    def outputs(self, start: int) -> Tensor:
        """What the network gives, images × numbers, from image number `start` on."""
        if start not in self._outputs:
            name = f"outputs from {start}"
            known = self._load(name)
            if known is None:
                parts = torch.split(self.images[start:], chunk_of(self.images))
                known = torch.cat([outputs_of(self.structure.trace.graph(part)) for part in parts])
                self._save(name, known)
            self._outputs[start] = known
        return self._outputs[start]

    def remember(self, samples: Mapping[fx.Node, Tensor], is_linear: Mapping[fx.Node, bool]) -> None:
        """Have these at hand from now on."""
        self._samples |= samples
        for node, values in samples.items():
            self._save(_name(node, is_linear[node]), values)

    def _missing(self, asked: Mapping[fx.Node, bool]) -> dict[fx.Node, bool]:
        """What is neither at hand nor in the memory; what is in there is at hand afterwards."""
        missing: dict[fx.Node, bool] = {}
        for node, is_linear in asked.items():
            if node in self._samples:
                continue
            known = self._load(_name(node, is_linear))
            if known is None:
                missing[node] = is_linear
            else:
                self._samples[node] = known
        return missing

    def _load(self, name: str) -> Tensor | None:
        known = None if self._memory is None else self._memory.load(name)
        return None if known is None else known.to(self.images.device)

    def _save(self, name: str, values: Tensor) -> None:
        if self._memory is not None:
            self._memory.save(name, values)


class Collector:
    """The samples of some nodes of a reference's network, while its images pass through a chunk at a time."""

    def __init__(self, reference: Reference, nodes: Mapping[fx.Node, bool]) -> None:
        self._reference, self._is_linear = reference, nodes
        self._parts: dict[fx.Node, list[Tensor]] = {node: [] for node in nodes}

    def take(self, node: fx.Node, values: Any, start: int) -> None:
        """What a node gives for the images from number `start` on; nothing happens for any other node."""
        if node in self._parts:
            is_linear = self._is_linear[node]
            places = self._reference.places(positions(values.shape, is_linear))
            at = places.of(start, len(values), values.device)
            self._parts[node].append(output_samples(values, is_linear, *at))

    def last(self, node: fx.Node, part: slice) -> Tensor:
        """What a node gave for the images that passed last, which are `part` of all samples."""
        return self._parts[node][-1] if node in self._parts else self._reference.samples(node)[part]

    def finish(self) -> None:
        """All images have passed: the reference has the samples, and nothing more is taken."""
        self._reference.remember({node: torch.cat(chunks) for node, chunks in self._parts.items()}, self._is_linear)
        self._parts.clear()


def outputs_of(given: Any) -> Tensor:
    """Images × numbers of whatever a network gives: a tensor, or several in a tuple or a dict."""
    if isinstance(given, Tensor):
        return given.flatten(1)
    parts = given.values() if isinstance(given, dict) else given
    return torch.cat([outputs_of(part) for part in parts], 1)


def _order(graph: fx.Graph, wanted: Iterable[fx.Node]) -> tuple[list[fx.Node], dict[fx.Node, list[fx.Node]]]:
    """The nodes that the wanted ones are computed through, in order, and whose values are done with after each."""
    needed, pending = set(wanted), list(wanted)
    while pending:
        for read in pending.pop().all_input_nodes:
            if read not in needed:
                needed.add(read)
                pending.append(read)
    order = [node for node in graph.nodes if node in needed]
    last = {read: node for node in order for read in node.all_input_nodes}
    done: dict[fx.Node, list[fx.Node]] = {}
    for read, node in last.items():
        done.setdefault(node, []).append(read)
    return order, done


def _name(node: fx.Node, is_linear: bool) -> str:
    return f"features of {node.name}" if is_linear else f"maps of {node.name}"


def _bytes(samples: Tensor) -> int:
    return samples.numel() * samples.element_size()
