"""The moments of what layers read, over calibration images. No labels.

One pass through the network measures all layers: the images go through it a batch at a time, and of each layer some
positions of each image are sampled. Where the matrices of all layers together would take more than `MATRICES` bytes,
the images pass again, for the rest.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from engine.graph.channel_ids import Layer, Trace
from engine.graph.patterns import layer_nodes
from engine.surgery.reconstruction.activations import chunk_of
from engine.surgery.reconstruction.products import add_products, mirror
from engine.surgery.reconstruction.reference import Collector, Reference
from engine.surgery.reconstruction.samples import SAMPLES, Places, input_samples, output_samples, positions
from engine.surgery.reconstruction.sites import Ending, endings

LARGEST = 5_120  # columns of a matrix, 0.2 GB
MATRICES = 2 * 2**30  # bytes of matrices that are held at a time


@dataclass(frozen=True)
class Gram:
    """What a layer reads, and its weights, in double precision; columns are the channels·taps of a group, by channel.

    `matrix` is the covariance of the columns. Where there are more than `LARGEST` of them it is given by `samples`,
    which are centred and divided by the root of their number: matrix = samplesᵀ·samples. The taps of a convolution have
    one matrix of its channels in common where theirs would be larger than that, and where it is transposed or no 2-d
    module: `taps` is 1 then, and what each tap adds to the output counts as an output of its own.
    """

    layer: str
    weight: Tensor  # groups × outputs × columns, with the batch norm behind folded in
    matrix: Tensor | None  # groups × columns × columns
    samples: Tensor | None  # groups × samples × columns
    taps: int  # columns of a channel
    variance: float  # of the value that the output ends in (the sum where it is added), summed over its channels
    cross: Tensor | None = None  # columns × numbers beside: the covariance with them

    @property
    def diagonal(self) -> Tensor:
        """The variance of each column: groups × columns."""
        if self.matrix is not None:
            return self.matrix.diagonal(dim1=1, dim2=2)
        assert self.samples is not None
        return self.samples.square().sum(1)


@dataclass(frozen=True)
class Beside:
    """Values of the same network that ungrouped layers, whose taps have columns of their own, are compared with.

    `layers` has the nodes whose channels make the numbers of `Gram.cross`, in their order. The `reference`, which has
    the same images, seed and number of samples, has the samples of `nodes` (and of which of them are features)
    afterwards; those of `layers` are among them.
    """

    reference: Reference
    nodes: Mapping[fx.Node, bool]
    layers: Mapping[str, Sequence[fx.Node]]


@torch.no_grad()
def measure_grams(
    trace: Trace,
    images: Tensor,
    layers: Collection[str] | None = None,
    seed: int = 0,
    beside: Beside | None = None,
    count: int = SAMPLES,
    reference: Reference | None = None,
) -> Iterator[Gram]:
    """The moments of what `layers` (all but depthwise ones by default) read of N×C×H×W images, in order of depth.

    The traced network is in evaluation mode and on the images' device. A layer that is called several times is measured
    at its first call. The same images and seed give the same matrices, from about `count` samples of each layer. What
    is `beside` passes in the same pass. A `reference` of the same network and images learns by the way what `layers`
    should give, and need not look itself.
    """
    nodes, ends = layer_nodes(trace), endings(trace)
    chosen = [n for n, x in trace.layers.items() if x.kind != "depthwise" and (layers is None or n in layers)]
    others = {} if beside is None else beside.layers

    def places(node: fx.Node, is_linear: bool) -> Places:
        return Places.draw(len(images), positions(trace.values[node.name].shape, is_linear), seed, count)

    readings = [_reading(trace, nodes[name], ends[name], places, others.get(name, ())) for name in chosen]
    collector: Collector | None = None
    if beside is not None:
        collector = beside.reference.collector(beside.nodes)
    elif reference is not None:
        collector = reference.collector_of_few({r.ending.value: r.is_linear for r in readings})
    for some in _that_fit(readings):
        network = _Sampler(trace, some, collector)
        for start in range(0, len(images), chunk_of(images)):
            network.sample(images[start : start + chunk_of(images)], start)
        if collector is not None:
            collector.finish()
        for reading in some:
            yield _finish(trace, reading)


class _Covariance:
    """The sums that a covariance comes from, about the first rows' mean; where it is too large, the rows themselves."""

    def __init__(self, groups: int, columns: int, step: int) -> None:
        self._groups, self._columns = groups, columns
        self._step = step if columns > LARGEST else 0  # of the rows that are kept
        self._rows: list[Tensor] = []
        self._others: list[Tensor] = []
        self._cross: Tensor | None = None  # with what was added beside
        self._count = 0

    @property
    def bytes(self) -> int:
        return 8 * self._groups * self._columns * min(self._columns, LARGEST)

    def add(self, samples: Tensor, others: Tensor | None = None) -> None:
        """Samples × (groups·columns), and samples × numbers beside."""
        rows = samples.reshape(len(samples), self._groups, -1).transpose(0, 1)
        if self._step:
            self._rows.append(rows[:, :: self._step])
            self._others += [] if others is None else [others[:: self._step]]
            self._count += len(samples)
            return
        if not self._count:
            self._about = rows.mean(1, keepdim=True)
            self._total = torch.zeros_like(self._about, dtype=torch.float64)
            self._products = self._total.new_zeros(self._groups, self._columns, self._columns)
            if others is not None:
                self._cross = self._total.new_zeros(self._columns, others.shape[1])
                self._others_total = self._total.new_zeros(others.shape[1])
        deviations = rows - self._about
        self._count += len(samples)
        self._total += deviations.sum(1, keepdim=True)
        add_products(self._products, deviations)
        if self._cross is not None and others is not None:
            self._cross += deviations[0].T @ others
            self._others_total += others.sum(0, dtype=torch.float64)

    def finish(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The matrix or the samples, and the cross moments, as in `Gram`; nothing is held any more."""
        if self._step:
            kept = torch.cat(self._rows, 1).double()
            self._rows.clear()
            samples = (kept - kept.mean(1, keepdim=True)) / kept.shape[1] ** 0.5
            if not self._others:
                return None, samples, None
            others = torch.cat(self._others).double()
            return None, samples, samples[0].T @ (others - others.mean(0)) / len(others) ** 0.5
        mean, products = self._total / self._count, self._products
        del self._products
        mirror(products)
        matrix = products.div_(self._count).sub_(mean.transpose(1, 2) @ mean)
        if self._cross is None:
            return matrix, None, None
        return matrix, None, self._cross / self._count - mean[0].T * (self._others_total / self._count)


class _Variance:
    """The variance of each channel, from batch to batch."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, samples: Tensor) -> None:
        """Samples × channels."""
        variance, mean = (numbers.double() for numbers in torch.var_mean(samples, 0, correction=0))
        self._sum = self._sum.to(samples.device) + len(samples) * mean
        self._squares = self._squares.to(samples.device) + len(samples) * (variance + mean.square())
        self._count += len(samples)

    def total(self) -> float:
        """Summed over the channels."""
        return float((self._squares / self._count - (self._sum / self._count).square()).sum())


@dataclass(frozen=True)
class _Reading:
    """How one layer is sampled, and what has come together of it."""

    layer: Layer
    node: fx.Node
    ending: Ending
    taps: int
    places: Places
    ends: Places  # in the map of the value that the output ends in
    beside: Sequence[fx.Node]
    inputs: _Covariance
    sums: _Variance

    @property
    def is_linear(self) -> bool:
        return self.layer.kind == "linear"


def _reading(
    trace: Trace,
    node: fx.Node,
    ending: Ending,
    draw: Callable[[fx.Node, bool], Places],
    beside: Sequence[fx.Node] = (),
) -> _Reading:
    layer = trace.layers[trace.owner(node)]
    channels = len(layer.ins) // layer.groups
    taps = layer.kernel if ending.is_plain and channels * layer.kernel <= LARGEST else 1
    # Where taps share a matrix, samples are taken where the channels are, not where the kernel visits.
    is_linear = layer.kind == "linear"
    places = draw(node if taps == layer.kernel else node.all_input_nodes[0], is_linear)
    step = -(-places.numbers.numel() // LARGEST)
    inputs = _Covariance(layer.groups, channels * taps, step)
    return _Reading(layer, node, ending, taps, places, draw(ending.value, is_linear), beside, inputs, _Variance())


def _that_fit(readings: Sequence[_Reading]) -> Iterator[list[_Reading]]:
    """Layers in order, as many at a time as `MATRICES` bytes hold, and one at least."""
    some: list[_Reading] = []
    for reading in readings:
        if some and sum(r.inputs.bytes for r in (*some, reading)) > MATRICES:
            yield some
            some = []
        some.append(reading)
    if some:
        yield some


class _Sampler(fx.Interpreter):
    """Runs the traced graph and takes samples where the layers read, and the variance where their outputs end."""

    def __init__(self, trace: Trace, readings: Sequence[_Reading], collector: Collector | None) -> None:
        super().__init__(trace.graph)
        self._trace, self._collector, self._start = trace, collector, 0
        self._at = {reading.node: reading for reading in readings}
        self._ends = {r.ending.value: r for r in readings if r.ending.is_sum}
        self._waiting: list[tuple[_Reading, Tensor]] = []  # samples of a chunk, for what is beside further on

    def sample(self, images: Tensor, start: int) -> None:
        """Run the images from number `start` on."""
        self._start = start
        self.run(images)
        for reading, samples in self._waiting:
            assert self._collector is not None
            first = start * reading.places.each
            part = slice(first, first + len(samples))
            others = [self._collector.last(node, part) for node in reading.beside]
            reading.inputs.add(samples, torch.cat(others, 1))
        self._waiting.clear()

    def run_node(self, n: fx.Node) -> Any:
        if n in self._at:
            self._take(self._at[n], self.env[n.all_input_nodes[0]])
        out = super().run_node(n)
        if n in self._ends:
            reading = self._ends[n]
            at = reading.ends.of(self._start, len(out), out.device)
            reading.sums.add(output_samples(out, reading.is_linear, *at))
        if self._collector is not None:
            self._collector.take(n, out, self._start)
        return out

    def _take(self, reading: _Reading, x: Tensor) -> None:
        at = reading.places.of(self._start, len(x), x.device)
        layer = reading.layer
        if reading.is_linear or reading.taps < layer.kernel:
            samples = output_samples(x, reading.is_linear, *at)
        else:
            width = self._trace.values[reading.node.name].shape[-1]
            samples = input_samples(self.fetch_attr(layer.name), x, width, *at)
        if reading.beside:
            self._waiting.append((reading, samples))
        else:
            reading.inputs.add(samples)


def _finish(trace: Trace, reading: _Reading) -> Gram:
    matrix, samples, cross = reading.inputs.finish()
    weight = _folded(trace, reading)
    if reading.ending.is_sum:
        variance = reading.sums.total()
    elif matrix is not None:
        variance = float(((weight @ matrix) * weight).sum())
    else:
        assert samples is not None
        variance = float((samples @ weight.transpose(1, 2)).square().sum())
    return Gram(reading.layer.name, weight, matrix, samples, reading.taps, variance, cross)


def _folded(trace: Trace, reading: _Reading) -> Tensor:
    """The layer's weights as groups × outputs × columns, in double precision, scaled by the batch norm behind."""
    layer = reading.layer
    module: Any = trace.graph.get_submodule(layer.name)
    weight = layer.filters(module.weight.detach()).double()
    if reading.ending.norm is not None:
        norm: Any = trace.graph.get_submodule(str(reading.ending.norm.target))
        weight = weight * (norm.weight / torch.sqrt(norm.running_var + norm.eps))[:, None]
    by_group = weight.reshape(layer.groups, len(layer.outs) // layer.groups, -1, layer.kernel)
    if reading.taps < layer.kernel:
        by_group = by_group.transpose(2, 3)  # each tap's share of an output is one of its own
        return by_group.flatten(1, 2)
    return by_group.flatten(2)
