"""Running a network once for many attempts: the prefix before an attempt is shared by all that come after it.

A batch is carried through the traced graph node by node. Where an attempt begins, the activations that are alive there
are handed to it, and it runs on alone to the logits; then the batch is carried on. With attempts spread evenly over
the depth that is half the work of running each from the images on, and memory holds one batch at one place. Channels
that hold nothing but zeros on a batch, as those of dead filters do, cost nothing to attempt.
"""

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from engine.criteria.attempts.graph_rewrite import fold_norms, remove_in_place
from engine.graph.channel_ids import Ids, Trace
from engine.graph.patterns import Span, span
from engine.graph.rules.registry import computes_as
from engine.surgery.cut import masked_readings
from engine.surgery.masking import MaskedNorm, MaskedReading, function_of

_SUMS = {operator.add, torch.add}
_RELUS = {F.relu, torch.relu}

Environment = dict[fx.Node, Any]


@dataclass(frozen=True)
class Attempt:
    """Something to do without: the modules of a block, which then hand their input on, and channels nobody reads."""

    name: str
    modules: tuple[str, ...] = ()
    dropped: frozenset[int] = frozenset()  # identities


@dataclass(frozen=True)
class Output:
    """What a network gives for a batch: N×classes logits, and N×D features, the input of its last layer."""

    logits: Tensor
    features: Tensor


@dataclass(frozen=True)
class ConvolutionDelta:
    """What an attempt takes away from the convolution that it begins at: some of its input channels, and their weights.

    The current network needs the whole convolution anyway, so that only what these channels add is worked out besides.
    Where the attempt changes nothing else (`only_change`) and they hold nothing but zeros, it changes nothing at all.
    """

    channels: Tensor
    weight: Tensor
    only_change: bool


@dataclass
class Ablation:
    """What an attempt changes: the nodes it skips, and the inputs it masks. `first` is where that begins."""

    first: int
    spans: dict[fx.Node, Span] = field(default_factory=dict)
    masks: dict[fx.Node, Tensor] = field(default_factory=dict)
    norms: dict[fx.Node, nn.Module] = field(default_factory=dict)
    readings: dict[fx.Node, MaskedReading] = field(default_factory=dict)
    delta: ConvolutionDelta | None = None


_NO_ABLATION = Ablation(0)


class SharedPrefix(fx.Interpreter):
    """A traced network in evaluation mode, ready to run batches for a list of attempts.

    The outputs of an attempt equal, bit for bit, those of a network with forward hooks that bypass the modules (for
    the same batch): the same operations run on the same numbers. With `folded` norms, and masked channels taken off
    what the current network computes, they are the same up to rounding, a quarter sooner.
    """

    def __init__(self, trace: Trace, device: torch.device, *, folded: bool = False) -> None:
        graph = remove_in_place(trace.graph)
        if folded:
            fold_norms(graph)
        super().__init__(graph, garbage_collect_values=False)
        self._trace, self._device, self._folded = trace, device, folded
        self._nodes = list(graph.graph.nodes)
        self._position = {node: i for i, node in enumerate(self._nodes)}
        last_use = {read: node for node in self._nodes for read in (node, *node.all_input_nodes)}
        self._last_reads: list[list[fx.Node]] = [[] for _ in self._nodes]
        for node, last in last_use.items():
            self._last_reads[self._position[last]].append(node)
        last_layer = next(reversed(trace.layers))
        self._head = next(node for node in reversed(self._nodes) if trace.owner(node) == last_layer)
        self._ablation = _NO_ABLATION
        self._writable: set[fx.Node] = set()  # nodes whose values this stretch may write over
        self._features = torch.empty(0)
        self._precomputed: Environment = {}  # values of the current network that attempts have computed for it

    def prepare(self, attempt: Attempt) -> Ablation:
        """What `attempt` changes in this graph, to be prepared once and used for every batch."""
        ablation = Ablation(len(self._nodes) - 1)
        for path in attempt.modules:
            skipped = span(self._nodes, path)
            ablation.spans |= dict.fromkeys(skipped.inside, skipped)
        dropped = np.array(sorted(attempt.dropped), dtype=np.int64)
        readings = masked_readings(self._trace, dropped)
        for node in self._nodes if attempt.dropped else ():
            self._mask(ablation, node, dropped)
            if node.name in readings:
                ablation.readings[node] = readings[node.name].to(self._device)
        changes = [*ablation.spans, *ablation.masks, *ablation.norms, *ablation.readings]
        ablation.first = min((self._position[node] for node in changes), default=ablation.first)
        start = self._nodes[ablation.first]
        if start in ablation.masks and self._is_plain(start):
            reads = np.flatnonzero(np.isin(self._trace.layers[str(start.target)].ins, dropped))
            channels = torch.from_numpy(reads).to(self._device)
            weight: Any = self.submodules[str(start.target)].weight
            weight = weight.detach().index_select(1, channels)
            ablation.delta = ConvolutionDelta(channels, weight, only_change=len(changes) == 1)
        return ablation

    def outputs(
        self, images: Tensor, ablations: Sequence[Ablation], *, include_current: bool = True
    ) -> Iterator[tuple[int | None, Output]]:
        """(index of the ablation, its output), in order of depth; `include_current` adds (None, the current one's).

        Attempts that change nothing in these images come after the others: their output is the current network's.
        """
        shared: Environment = {}
        self._precomputed.clear()
        self.args_iter = iter((images.contiguous(memory_format=torch.channels_last),))  # what the input node takes
        at, unaffected = 0, []
        for index in sorted(range(len(ablations)), key=lambda i: ablations[i].first):
            self._advance(shared, at, ablations[index].first, _NO_ABLATION)
            at = ablations[index].first
            output = self._run_attempt(dict(shared), ablations[index])
            if output is None:
                unaffected.append(index)
            else:
                yield index, output
        if unaffected or include_current:
            current = self._advance(shared, at, len(self._nodes), _NO_ABLATION)
            yield from ((index, current) for index in unaffected)
        if include_current:
            yield None, current

    def _run_attempt(self, env: Environment, ablation: Ablation) -> Output | None:
        """Run an attempt from its first node on; None where it changes nothing."""
        if (delta := ablation.delta) is None:
            return self._advance(env, ablation.first, len(self._nodes), ablation)
        node = self._nodes[ablation.first]
        x = env[node.all_input_nodes[0]]
        dropped_inputs = (
            x.permute(0, 2, 3, 1).index_select(3, delta.channels).permute(0, 3, 1, 2)
        )  # channels stay last in memory
        if delta.only_change and not dropped_inputs.any():
            return None
        if not self._folded:
            return self._advance(env, ablation.first, len(self._nodes), ablation)
        conv: Any = self.submodules[str(node.target)]
        if node not in self._precomputed:
            self._precomputed[node] = conv(x)
        adds = F.conv2d(dropped_inputs, delta.weight, None, conv.stride, conv.padding, conv.dilation)
        env[node] = torch.sub(self._precomputed[node], adds, out=adds)
        self._free_values(env, ablation.first)
        return self._advance(env, ablation.first + 1, len(self._nodes), ablation, writable={node})

    def _free_values(self, env: Environment, position: int) -> None:
        """Let go of what no node after that at `place` reads."""
        for node in self._last_reads[position]:
            env.pop(node, None)

    def _advance(
        self, env: Environment, start: int, stop: int, ablation: Ablation, writable: Iterable[fx.Node] = ()
    ) -> Output:
        """Run the nodes from `start` on to before `stop`; the output is of use at the end only."""
        self.env, self._ablation = env, ablation
        self._writable = set(writable)
        block_inputs: dict[Span, Any] = {}
        logits: Any = None
        for i in range(start, stop):
            node = self._nodes[i]
            if (skipped := ablation.spans.get(node)) is None:
                logits = env[node] = self.run_node(node)
            else:
                block_inputs.setdefault(skipped, env.get(skipped.entry))
                if node is skipped.exit:
                    env[node] = block_inputs[skipped]
            self._free_values(env, i)
        return Output(logits, self._features)

    def run_node(self, n: fx.Node) -> Any:
        result = self._run_in_place(n)
        if result is None:
            result = self._call(n) if self._is_watched(n) else super().run_node(n)
            if not self._returns_fresh_memory(n):
                return result
        self._writable.add(n)
        return result

    def _run_in_place(self, n: fx.Node) -> Tensor | None:
        """A sum or a ReLU written over its first operand, where this stretch made that and nobody else reads it.

        Fresh memory for large activations costs more than the arithmetic.
        """
        first = n.args[0] if n.args else None
        if not isinstance(first, fx.Node) or first not in self._writable or len(first.users) > 1:
            return None
        value: Tensor = self.env[first]
        if n.target in _SUMS and len(n.args) == 2 and not n.kwargs and isinstance(n.args[1], fx.Node):
            operand = self.env[n.args[1]]
            matching = isinstance(operand, Tensor) and (operand.shape, operand.dtype) == (value.shape, value.dtype)
            return value.add_(operand) if matching else None
        module = self.submodules.get(str(n.target)) if n.op == "call_module" else None
        return value.relu_() if n.target in _RELUS or isinstance(module, nn.ReLU) else None

    def _returns_fresh_memory(self, n: fx.Node) -> bool:
        """Whether what a node returned is memory that nothing else refers to."""
        module = self.submodules.get(str(n.target)) if n.op == "call_module" else None
        if isinstance(module, nn.Identity):
            (source,) = n.all_input_nodes
            return source in self._writable and len(source.users) == 1
        return isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear) or n.target in _SUMS

    def _is_watched(self, n: fx.Node) -> bool:
        """Whether something may be masked where a node reads, or taken down of what it reads."""
        return n.op == "call_module" or n is self._head or n in self._ablation.masks or n in self._ablation.readings

    def _call(self, n: fx.Node) -> Any:
        if self._ablation is _NO_ABLATION and n in self._precomputed:
            return self._precomputed.pop(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        if n in self._ablation.masks:
            args = (args[0] * self._ablation.masks[n], *args[1:])
        if n is self._head:
            self._features = args[0]
        if n.op != "call_module":
            function = function_of(n)
            reading = self._ablation.readings.get(n)
            return function(*args, **kwargs) if reading is None else reading(function, args, kwargs)
        module: Any = self._ablation.norms.get(n) or self.submodules[str(n.target)]
        return module(*args, **kwargs)

    def _is_plain(self, n: fx.Node) -> bool:
        """Whether a node is a convolution, not the last layer, to which each input channel adds its own part."""
        conv = self.submodules.get(str(n.target)) if n.op == "call_module" and n is not self._head else None
        plain = conv is not None and computes_as(conv, nn.Conv2d)
        return isinstance(conv, nn.Conv2d) and plain and conv.groups == 1 and conv.padding_mode == "zeros"

    def _mask(self, ablation: Ablation, node: fx.Node, dropped: Ids) -> None:
        """Let `node` read nothing of the dropped channels."""
        name = self._trace.owner(node)
        layer, affine = self._trace.layers.get(name), self._trace.affines.get(name)
        if layer is not None and layer.kind != "depthwise" and np.isin(layer.ins, dropped).any():
            mask = torch.from_numpy(~np.isin(layer.ins, dropped)).float().to(self._device)
            axes = self._trace.values[node.name].dim() - 2
            ablation.masks[node] = mask if layer.kind == "linear" else mask.view(1, -1, *[1] * axes)
        if node.op == "call_module" and affine is not None and affine.across and np.isin(affine.ids, dropped).any():
            kept = torch.from_numpy(np.flatnonzero(~np.isin(affine.ids, dropped))).to(self._device)
            ablation.norms[node] = MaskedNorm(self.submodules[name], kept, affine.dim)
