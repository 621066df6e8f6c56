"""Send channel identities through a model and record what each layer reads and writes."""

from typing import Any

import torch
from torch import Tensor, fx, nn

from engine.graph import rules
from engine.graph.channel_ids import Trace, UnsupportedOperation, compact
from engine.graph.propagation import Propagation


def trace(model: nn.Module, image: tuple[int, int, int]) -> Trace:
    """Trace `model` for images of `image` = (channels, height, width); its mode is left as found.

    Raises UnsupportedOperation with the operation's name and place when no rule knows it.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            return _propagated(_symbolic(model), image)
    finally:
        for module in training:
            module.training = True


def _propagated(graph: fx.GraphModule, image: tuple[int, int, int]) -> Trace:
    propagation = Propagation(graph, image)
    values: dict[fx.Node, Any] = {}
    for node in graph.graph.nodes:
        values[node] = _step(propagation, node, values)
    return propagation.finish(values)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return rules.for_module(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _symbolic(model: nn.Module) -> fx.GraphModule:
    try:
        return fx.GraphModule(model, _Tracer().trace(model))
    except (fx.proxy.TraceError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UnsupportedOperation(f"{type(model).__name__} cannot be traced: {reason}") from None


def _step(p: Propagation, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    """What one node of the graph makes of the identities that flow in."""
    if node.op == "placeholder":
        return _placeholder(p, node, first=not values)
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: values[n])
    if node.op == "output":
        return _output(p, args[0])
    if node.op == "get_attr":
        return rules.parameter(p, node, _attribute(p.graph, str(node.target)))
    handler = rules.for_module(p.module(node)) if node.op == "call_module" else rules.FUNCTIONS.get(node.target)
    if handler is None:
        raise p.unsupported(node, "no rule knows this operation")
    return handler(p, node, args, kwargs)


def _placeholder(p: Propagation, node: fx.Node, *, first: bool) -> Any:
    if first:
        return p.image
    if not node.args:
        raise UnsupportedOperation("the model takes more than one input; a classifier takes one image tensor")
    return node.args[0]


def _output(p: Propagation, result: Any) -> Any:
    """The classes are never dropped."""
    outputs: list[Any] = []
    fx.node.map_aggregate(result, outputs.append)
    p.ids.frozen += [compact(x).flatten() for x in outputs if isinstance(x, Tensor)]
    return result


def _attribute(root: nn.Module, path: str) -> Tensor:
    value: Any = root
    for part in path.split("."):
        value = getattr(value, part)
    if not isinstance(value, Tensor):
        raise UnsupportedOperation(f"{path} is a {type(value).__name__}; only tensors can be followed")
    return value
