"""What directly follows a layer: its norm and its activation, each fed by nothing else and read alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import fx, nn

from engine.graph.channel_ids import Trace

NORMS = (nn.BatchNorm2d,)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.ELU)
_NORM_FUNCTIONS = {F.batch_norm}
_ACTIVATION_FUNCTIONS = {F.relu, F.relu6, F.silu, F.gelu, F.hardswish, F.leaky_relu, torch.relu, "relu", "relu_"}


def layer_nodes(trace: Trace) -> dict[str, fx.Node]:
    """The graph node of every layer (its first call)."""
    nodes: dict[str, fx.Node] = {}
    for node in trace.graph.graph.nodes:
        if trace.owner(node) in trace.layers:
            nodes.setdefault(trace.owner(node), node)
    return nodes


@dataclass(frozen=True)
class Span:
    """The nodes of a module with one input and one output: `entry` lies before it, `exit` is its last."""

    inside: frozenset[fx.Node]
    entry: fx.Node
    exit: fx.Node


def span(nodes: Iterable[fx.Node], path: str) -> Span:
    """Where the module at `path` begins and ends; ValueError when more than one value flows in or out."""
    inside = frozenset(node for node in nodes if is_within(node, path))
    entries = {n for node in inside for n in node.all_input_nodes if n not in inside and n.op != "get_attr"}
    exits = {node for node in inside if any(user not in inside for user in node.users)}
    if len(entries) != 1 or len(exits) != 1:
        raise ValueError(f"{path} has {len(entries)} inputs and {len(exits)} outputs")
    return Span(inside, entries.pop(), exits.pop())


def is_within(node: fx.Node, path: str) -> bool:
    """Whether a node is a call of the module at `path` or of something in its forward."""
    stack = (node.meta.get("nn_module_stack") or {}).values()
    return any(name == path for name, _ in stack) or (node.op == "call_module" and node.target == path)


def unit(trace: Trace, node: fx.Node) -> tuple[fx.Node, fx.Node | None, fx.Node | None]:
    """The layer, the norm and the activation that directly follow it, where they do."""
    norm = _next(trace, node, NORMS, _NORM_FUNCTIONS)
    activation = _next(trace, norm or node, ACTIVATIONS, _ACTIVATION_FUNCTIONS)
    return node, norm, activation


def is_activation(trace: Trace, node: fx.Node) -> bool:
    """Whether a node is an activation of those that follow layers, as a module or a function."""
    if node.op == "call_module":
        return isinstance(trace.graph.get_submodule(str(node.target)), ACTIVATIONS)
    return node.target in _ACTIVATION_FUNCTIONS


def _next(trace: Trace, node: fx.Node, kinds: tuple[type[nn.Module], ...], functions: object) -> fx.Node | None:
    if len(node.users) != 1:
        return None
    (user,) = node.users
    if user.op == "call_module":
        return user if isinstance(trace.graph.get_submodule(str(user.target)), kinds) else None
    return user if user.target in functions else None  # type: ignore[operator]
