"""What directly follows a layer: its norm and its activation, each fed by nothing else and read alone."""

import torch
import torch.nn.functional as F
from torch import fx, nn

from engine.graph.identity import Trace

NORMS = (nn.BatchNorm2d,)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.ELU)
_ACTIVATION_FUNCTIONS = {F.relu, F.relu6, F.silu, F.gelu, F.hardswish, F.leaky_relu, torch.relu, "relu", "relu_"}


def layer_nodes(trace: Trace) -> dict[str, fx.Node]:
    """The graph node of every layer (its first call)."""
    nodes: dict[str, fx.Node] = {}
    for node in trace.graph.graph.nodes:
        if node.op == "call_module" and node.target in trace.layers:
            nodes.setdefault(str(node.target), node)
    return nodes


def unit(trace: Trace, node: fx.Node) -> tuple[fx.Node, fx.Node | None, fx.Node | None]:
    """The layer, the norm and the activation that directly follow it, where they do."""
    norm = _next(trace, node, NORMS, frozenset())
    activation = _next(trace, norm or node, ACTIVATIONS, _ACTIVATION_FUNCTIONS)
    return node, norm, activation


def _next(trace: Trace, node: fx.Node, kinds: tuple[type[nn.Module], ...], functions: object) -> fx.Node | None:
    if len(node.users) != 1:
        return None
    (user,) = node.users
    if user.op == "call_module":
        return user if isinstance(trace.graph.get_submodule(str(user.target)), kinds) else None
    return user if user.target in functions else None  # type: ignore[operator]
