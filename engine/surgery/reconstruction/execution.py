"""One operation of a traced network at a time, on real values."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx


def execute(graph: fx.GraphModule, node: fx.Node, values: Mapping[fx.Node, Any], images: Tensor) -> Any:
    """The value of a node, from those that it reads; inputs of operations that work in place stay as they are."""
    if node.op == "placeholder":
        return images if not node.args else node.args[0]
    if node.op == "get_attr":
        return _attribute(graph, str(node.target))
    writes = _writes(node, graph)

    def read(source: fx.Node) -> Any:
        value = values[source]
        return value.clone() if writes and isinstance(value, Tensor) else value

    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), read)
    if node.op == "call_module":
        return graph.get_submodule(str(node.target))(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _writes(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether an operation works in place."""
    if node.op == "call_module":
        return bool(getattr(graph.get_submodule(str(node.target)), "inplace", False))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    in_place = name.endswith("_") and not name.endswith("__")
    return in_place or name in ("iadd", "isub", "imul", "itruediv", "setitem") or bool(node.kwargs.get("inplace"))


def _attribute(root: fx.GraphModule, path: str) -> Any:
    value: Any = root
    for part in path.split("."):
        value = getattr(value, part)
    return value
