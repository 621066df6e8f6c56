"""The graph that attempts run on: rewritten so that one batch can serve many attempts."""

import copy
import operator
from collections import Counter
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.graph.rules.registry import computes_as

_IN_PLACE = {operator.iadd: operator.add, operator.imul: operator.mul}


def fold_norms(graph: fx.GraphModule) -> None:
    """Put batch norms into the convolutions that they alone follow, as copies: the network's own modules stay."""
    calls = Counter(node.target for node in graph.graph.nodes if node.op == "call_module")
    for node in graph.graph.nodes:
        if node.op != "call_module" or len(node.users) != 1 or calls[node.target] > 1:
            continue
        (norm,) = node.users
        conv = graph.get_submodule(str(node.target))
        batch_norm = graph.get_submodule(str(norm.target)) if norm.op == "call_module" else None
        if not (isinstance(conv, nn.Conv2d) and isinstance(batch_norm, nn.BatchNorm2d)):
            continue
        if computes_as(conv, nn.Conv2d) and computes_as(batch_norm, nn.BatchNorm2d) and calls[norm.target] == 1:
            folded: Any = fuse_conv_bn_eval(conv, batch_norm)
            graph.set_submodule(str(node.target), folded.to(memory_format=torch.channels_last))
            graph.set_submodule(str(norm.target), nn.Identity())


def remove_in_place(graph: fx.GraphModule) -> fx.GraphModule:
    """A copy of the graph with the same modules, in which no node writes into what others may still read."""
    rewritten = fx.GraphModule(graph, copy.deepcopy(graph.graph))
    for node in rewritten.graph.nodes:
        if node.op == "call_function":
            node.target = _IN_PLACE.get(node.target, node.target)
        if node.op == "call_method" and str(node.target).endswith("_"):
            node.target = str(node.target).removesuffix("_")
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
        if node.op == "call_module" and getattr(rewritten.get_submodule(str(node.target)), "inplace", False):
            module: Any = copy.copy(rewritten.get_submodule(str(node.target)))
            module.inplace = False
            rewritten.set_submodule(str(node.target), module)
    return rewritten
