"""Which layers are refitted after a cut, in order, and which value of the untouched network each is fitted to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import fx, nn

from engine.graph.channel_ids import Layer, Trace, channel_axes
from engine.graph.patterns import is_activation, layer_nodes, span
from engine.graph.rules.joins import ADDITIONS

_PLAIN = (nn.Conv2d, nn.Linear)  # exactly these: a subclass may read its weight, or its input, in another way
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
# What hands its input on in evaluation mode, as a module or as a function.
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
_IDLE_OF_TORCHVISION = ("StochasticDepth", "stochastic_depth")  # by name: importing torchvision takes a second


@dataclass(frozen=True)
class Site:
    """A layer, the batch norm that follows it, and where the untouched network has the value it should bring about."""

    layer: str
    node: fx.Node
    norm: fx.Node | None
    target: fx.Node  # in the untouched network's graph
    summed: fx.Node | None  # what is added to the layer's (normed) output before it is compared with the target
    chain: tuple[str, ...]  # the layer, and those after it that were removed, as far as the target

    @property
    def reads(self) -> tuple[fx.Node, ...]:
        """What the layer reads, and what is added to its output where something is."""
        read = self.node.all_input_nodes[0]
        return (read,) if self.summed is None else (read, self.summed)


@dataclass(frozen=True)
class Sites:
    """The layers that can be refitted, front to back, and sentences on those that would have to be and cannot."""

    sites: tuple[Site, ...]
    left: tuple[str, ...]


def find_sites(pruned: Trace, untouched: Trace) -> Sites:
    """Layers that read fewer channels than they did, or others, that come before what was removed, and the last one.

    A layer behind one that is refitted reads what differs from what it read, and is fitted anew, too.
    """
    counterparts = _Counterparts(pruned, untouched)
    nodes = layer_nodes(pruned)
    calls = Counter(pruned.owner(n) for n in pruned.graph.graph.nodes if pruned.owner(n))
    last = list(nodes)[-1]
    sites: list[Site] = []
    left: list[str] = []
    replaced: set[fx.Node] = set()
    moved = _Downstream(counterparts.removed)
    for name, node in nodes.items():
        layer = pruned.layers[name]
        if layer.kind == "depthwise":  # mixes nothing
            continue
        norm = _norm(pruned, node, calls)
        goal = counterparts.goal(norm or node)
        is_cut = bool(goal.removed) or len(layer.ins) < len(untouched.layers[name].ins) or name == last
        if not is_cut and not moved.has(node):
            continue
        moved.begin_at(node)
        why = _obstacle(pruned, node, layer, calls[name]) or ("" if goal.target else "its target is nowhere")
        if why and is_cut:
            left.append(f"{name} is left as it was cut: {why}")
        elif not why and goal.target is not None:
            replaced |= goal.removed
            sites.append(Site(name, node, norm, goal.target, goal.summed, (name, *goal.layers)))
    left += counterparts.gone_without(replaced)
    return Sites(tuple(sites), tuple(left))


@dataclass(frozen=True)
class Ending:
    """The batch norm behind a layer, and the value that its output ends in: the sum where it is added, else itself."""

    norm: fx.Node | None
    value: fx.Node
    is_sum: bool
    is_plain: bool  # a 2-d convolution or linear layer that uses its weights as they are


def endings(trace: Trace) -> dict[str, Ending]:
    """Where the output of each layer (at its first call) ends."""
    counterparts = _Counterparts(trace, trace)
    calls = Counter(trace.owner(n) for n in trace.graph.graph.nodes if trace.owner(n))
    found = {}
    for name, node in layer_nodes(trace).items():
        norm = _norm(trace, node, calls)
        goal = counterparts.goal(norm or node)
        plain = not _obstacle(trace, node, trace.layers[name], 1)
        found[name] = Ending(norm, goal.target or norm or node, goal.summed is not None, plain)
    return found


class _Downstream:
    """The nodes whose values hang on what was changed."""

    def __init__(self, removed: Iterable[fx.Node]) -> None:
        self._nodes: set[fx.Node] = set()
        for node in removed:
            self.begin_at(node)

    def has(self, node: fx.Node) -> bool:
        return node in self._nodes

    def begin_at(self, node: fx.Node) -> None:
        """The node's own value is another, and so are those that are computed from it."""
        pending = [node]
        while pending:
            reached = pending.pop()
            if reached not in self._nodes:
                self._nodes.add(reached)
                pending += reached.users


def _obstacle(trace: Trace, node: fx.Node, layer: Layer, calls: int) -> str:
    """Why a layer cannot be refitted; "" where it can."""
    if calls > 1:
        return "it is called more than once"
    if layer.transposed:
        return "it is a transposed convolution"
    if node.op != "call_module" or type(trace.graph.get_submodule(str(node.target))) not in _PLAIN:
        return "its weights are not used as they are"
    return ""


def _norm(trace: Trace, node: fx.Node, calls: Counter[str]) -> fx.Node | None:
    """The batch norm that follows, where its statistics and scale are its own and nothing else reads the layer."""
    user = _only_user(node)
    if user is None or user.op != "call_module" or calls[str(user.target)] > 1:
        return None
    module = trace.graph.get_submodule(str(user.target))
    known = type(module) in _NORMS and module.affine and module.track_running_stats
    return user if known else None


@dataclass(frozen=True)
class _Goal:
    """The untouched network's value that a layer should bring about, once `summed` is added to what it gives."""

    target: fx.Node | None
    summed: fx.Node | None
    removed: frozenset[fx.Node] = frozenset()  # what followed and went
    layers: tuple[str, ...] = ()  # of that, in order


class _Counterparts:
    """Nodes of the pruned network and their counterparts in the untouched one."""

    def __init__(self, pruned: Trace, untouched: Trace) -> None:
        self.pruned, self.untouched = pruned, untouched
        theirs = {key: node for node, key in _keys(untouched.graph.graph).items()}
        self.of = {node: theirs[key] for node, key in _keys(pruned.graph.graph).items() if key in theirs}
        self.removed: set[fx.Node] = set()
        for node in pruned.graph.graph.nodes:
            if node.op != "call_module" or not isinstance(self._module(pruned, node), nn.Identity):
                continue
            if not isinstance(untouched.graph.get_submodule(str(node.target)), nn.Identity):
                self.removed.add(node)
                if node not in self.of:
                    self.of[node] = span(untouched.graph.graph.nodes, str(node.target)).exit

    @staticmethod
    def _module(trace: Trace, node: fx.Node) -> nn.Module:
        return trace.graph.get_submodule(str(node.target))

    def goal(self, end: fx.Node) -> _Goal:
        """Of the layer that ends with `end`, itself or its norm."""
        place, summed = end, None
        follower = self._skip_idle(end)
        addition = _only_user(follower)
        if addition is not None and addition.target in ADDITIONS and _is_deepest(follower, addition):
            others = [n for n in addition.all_input_nodes if n is not follower]
            if len(others) == 1 and others[0].name in self.pruned.values:
                place, summed = addition, others[0]
        removed = self._removed_after(place)
        if removed is None:
            return _Goal(self.of.get(place), summed)
        return _Goal(removed[0], summed, frozenset(removed[1]), tuple(filter(None, map(self._last_layer, removed[1]))))

    def gone_without(self, replaced: set[fx.Node]) -> list[str]:
        """Sentences on removed modules with layers in them that nothing stands in for."""
        alone = [node for node in self.removed - replaced if self._last_layer(node)]
        paths = sorted(str(node.target) for node in alone)
        return [f"{path} is gone and no layer before it could be refitted to what it gave" for path in paths]

    def _skip_idle(self, node: fx.Node) -> fx.Node:
        """The node after modules that do nothing in evaluation mode and replace nothing."""
        while (user := _only_user(node)) is not None and user not in self.removed and is_idle(self.pruned, user):
            node = user
        return node

    def _removed_after(self, place: fx.Node) -> tuple[fx.Node, list[fx.Node]] | None:
        """Where the untouched network has what `place` stands for once what followed it went, and the nodes of that.

        Behind the same activation on both sides the value before it is the one to bring about.
        """
        activation = _only_user(place)
        after, activated = place, None
        if activation is not None and is_activation(self.pruned, activation):
            after, activated = activation, activation
        gone: list[fx.Node] = []
        while (user := _only_user(after)) is not None and (user in self.removed or is_idle(self.pruned, user)):
            after = user
            gone += [user] if user in self.removed else []
        if not gone:
            return None
        end = self.of[gone[-1]]
        if activated is None:
            return end, gone
        same = end.op == activated.op and self._kind(self.untouched, end) == self._kind(self.pruned, activated)
        return (end.all_input_nodes[0], gone) if same else None

    def _last_layer(self, removed: fx.Node) -> str:
        """The layer that gives what a removed module gave; "" where it has none."""
        path, given = str(removed.target), self.untouched.values[self.of[removed].name]
        axes = channel_axes(given)
        ids = np.unique(given.numpy()) if len(axes) == 1 else np.array([], dtype=np.int64)
        inside = [name for name in self.untouched.layers if name == path or name.startswith(path + ".")]
        writes = [name for name in inside if np.array_equal(np.unique(self.untouched.layers[name].outs), ids)]
        return writes[-1] if writes else ""

    @staticmethod
    def _kind(trace: Trace, node: fx.Node) -> Any:
        return type(trace.graph.get_submodule(str(node.target))) if node.op == "call_module" else node.target


def is_idle(trace: Trace, node: fx.Node) -> bool:
    """Whether a node hands its input on in evaluation mode."""
    if node.op == "call_module":
        module = trace.graph.get_submodule(str(node.target))
        return isinstance(module, _IDLE) or type(module).__name__ in _IDLE_OF_TORCHVISION
    return getattr(node.target, "__name__", "") in _IDLE_OF_TORCHVISION


def _is_deepest(branch: fx.Node, addition: fx.Node) -> bool:
    """Whether, of what is added, this branch holds more of the network than the others, the first one if as much."""
    depths = {n: ancestors(n) for n in addition.all_input_nodes}
    return all(len(depths[branch]) >= len(depths[n]) and branch not in depths[n] for n in depths if n is not branch)


def _keys(graph: fx.Graph) -> dict[fx.Node, tuple[Any, ...]]:
    """What a node is called in both networks: its module's path, its operation, and how many like it came before."""
    seen: Counter[tuple[Any, ...]] = Counter()
    keys: dict[fx.Node, tuple[Any, ...]] = {}
    for node in graph.nodes:
        stack = node.meta.get("nn_module_stack") or {}
        place = "" if node.op == "call_module" or not stack else list(stack.values())[-1][0]
        key = (place, node.op, str(node.target))
        keys[node] = (*key, seen[key])
        seen[key] += 1
    return keys


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def ancestors(node: fx.Node) -> set[fx.Node]:
    """All that a node's value is computed from."""
    found: set[fx.Node] = set()
    pending = [node]
    while pending:
        for read in pending.pop().all_input_nodes:
            if read not in found:
                found.add(read)
                pending.append(read)
    return found
