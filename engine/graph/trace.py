"""Send channel identities through a model, as its forward runs, and record what each layer reads and writes."""

import builtins
import importlib
import inspect
import math
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from engine.errors import RequestError
from engine.graph.channel_ids import Trace, UnsupportedOperation, compact
from engine.graph.plain import check_plain
from engine.graph.propagation import Propagation, Weight
from engine.graph.rules import joins, layers, norms, passing, pools, shapes, views
from engine.graph.rules.registry import FUNCTIONS, TAKE_WEIGHTS, for_module
from engine.graph.source import line_of_error, line_of_network

RULES = (joins, layers, norms, passing, pools, shapes, views)  # each registers its handlers as it is imported
_ARITHMETIC = {operator.__name__, "_operator", builtins.__name__, math.__name__}


def trace(model: nn.Module, image: tuple[int, int, int]) -> Trace:
    """Trace `model` for images of `image` = (channels, height, width); its mode is left as found.

    Raises UnsupportedOperation with the operation's name, its place and the line of the model's own code when no rule
    knows it, and for whatever else no graph can hold.
    """
    check_plain(model)
    if "torchvision" in sys.modules:  # without it no network has parts of it
        importlib.import_module("engine.graph.rules.of_torchvision")
    before = [(vars(module), dict(vars(module))) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            tracer = _Tracer(model, image)
            with _countable(model):
                graph = fx.GraphModule(model, tracer.trace(model))
            return tracer.propagation.finish(graph)
    except RequestError:
        raise
    except Exception as error:  # the forward is somebody else's code
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnsupportedOperation(f"{type(model).__name__} cannot be traced: {reason}{line_of_error(error)}") from None
    finally:
        for now, then in before:  # modes, constants of the forward, and what it keeps of its images
            now.clear()
            now.update(then)


@contextmanager
def _countable(model: nn.Module) -> Iterator[None]:
    """Let `len(x)` in the code of `model` be a size of the graph: Python would have a number at once."""
    files = {type(part).__module__ for part in model.modules()} & set(sys.modules)
    spaces = [vars(sys.modules[name]) for name in files if not name.startswith("torch.")]
    patched = [names for names in spaces if "len" not in names]
    try:
        for names in patched:
            names["len"] = _length
        yield
    finally:
        for names in patched:
            del names["len"]


def _length(value: Any) -> Any:
    holds_images = isinstance(value, _Followed) and isinstance(value.tracer.values[value.node], Tensor)
    return value.size(0) if holds_images else len(value)


class _Tracer(fx.Tracer):
    """Records the graph and propagates identities node by node meanwhile, so that sizes are known when asked for."""

    proxy_buffer_attributes = True  # what is made of buffers is made anew after a cut

    def __init__(self, model: nn.Module, image: tuple[int, int, int]) -> None:
        super().__init__()
        self.propagation = Propagation(model, image)
        self.values = self.propagation.values
        self._handling = False  # what handlers do with modules is not part of the network

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Modules that a rule knows, and torch's own that hold parameters; all others are traced through."""
        if for_module(m) is not None:
            return True
        own = super().is_leaf_module(m, module_qualified_name) and any(True for _ in m.parameters())
        return own and type(m).__module__.startswith("torch.")

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._handling:
            return forward(*args, **kwargs)
        if kwargs and self.is_leaf_module(m, self.path_of_module(m)):
            bound = inspect.signature(type(m).forward).bind(m, *args, **kwargs)
            args, kwargs = bound.args[1:], bound.kwargs
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._handling else super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_node(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *rest: Any, **named: Any
    ) -> fx.Node:
        if kind == "call_function" and not args and "input" in kwargs:
            args, kwargs = (kwargs["input"],), {name: value for name, value in kwargs.items() if name != "input"}
        node = super().create_node(kind, target, args, kwargs, *rest, **named)
        self._handling = True
        try:
            self.values[node] = self._step(node)
        finally:
            self._handling = False
        return node

    def proxy(self, node: fx.Node) -> "_Followed":
        return _Followed(node, self)

    def to_bool(self, obj: fx.Proxy) -> bool:
        decision = bool(self._plain_value(obj, "control flow on data"))
        if any(isinstance(value, int) for value in obj.node.args):  # with a number of the code, not with another size
            self._keep_measured(obj.node, "decides by the number of channels")
        return decision

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        return iter([obj[i] for i in range(len(self._plain_value(obj, "a loop over the images of a batch")))])  # type: ignore[index]

    def keys(self, obj: fx.Proxy) -> Any:
        return self._plain_value(obj, "keys of a tensor").keys()

    def plain_value(self, proxy: fx.Proxy) -> Any:
        """A size or the like as it is; refused for what depends on the images."""
        return self._plain_value(proxy, "a number that is worked out from data")

    def number(self, proxy: fx.Proxy) -> Any:
        """`plain_value` for code that goes on with a number: of channels it would be another one after a cut."""
        value = self.plain_value(proxy)
        self._keep_measured(proxy.node, "makes a number of the number of channels")
        return value

    def _keep_measured(self, node: fx.Node, what: str) -> None:
        for measured in self.propagation.measured_channels(node):
            self.propagation.keep(measured, node, what)

    def _plain_value(self, proxy: fx.Proxy, what: str) -> Any:
        value = self.values[proxy.node]
        if isinstance(value, Weight) and not value.learned:
            return value.tensor
        if isinstance(value, Tensor | Weight):
            raise UnsupportedOperation(
                f"{type(self.root).__name__} cannot be traced: {what}, which no graph holds{line_of_network()}"
            )
        return value

    def _step(self, node: fx.Node) -> Any:
        """What one node of the graph makes of the identities that flow in."""
        p = self.propagation
        if node.op == "placeholder":
            return self._placeholder(node)
        if node.op == "get_attr":
            return self._attribute(str(node.target))
        if any(source in p.from_image for source in node.all_input_nodes):
            p.from_image.add(node)
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: self.values[n])
        if node.op == "output":
            return self._output(args[0])
        if node.op == "call_module":
            handler = for_module(p.module(node))
        else:
            plain = node.op == "call_method" or getattr(node.target, "__module__", None) in _ARITHMETIC
            if plain and not _holds_tensors((args, kwargs)):
                return _computed(node, args, kwargs)
            handler = FUNCTIONS.get(node.target)
        if handler is None:
            raise p.unsupported(node, "no rule knows this operation")
        raw = any(isinstance(self.values[source], Weight) for source in node.all_input_nodes)
        if raw and (node.op == "call_module" or node.target not in TAKE_WEIGHTS):
            args, kwargs = torch.utils._pytree.tree_map_only(Weight, lambda w: p.as_ids(w, node), (args, kwargs))
        return handler(p, node, args, kwargs)

    def _placeholder(self, node: fx.Node) -> Any:
        p = self.propagation
        if not p.from_image:
            p.from_image.add(node)
            return p.image
        if str(node.target).startswith("*"):
            return {} if str(node.target).startswith("**") else ()
        if not node.args:
            raise UnsupportedOperation("the model takes more than one input; a classifier takes one image tensor")
        return node.args[0]

    def _attribute(self, path: str) -> Weight:
        value: Any = self.root
        for part in path.split("."):
            value = getattr(value, part)
        if not isinstance(value, Tensor):
            raise UnsupportedOperation(f"{path} is a {type(value).__name__}; only tensors can be followed")
        return Weight(path, value, lasting=not path.startswith("_tensor_constant"))

    def _output(self, result: Any) -> Any:
        """The classes are never dropped."""
        if not isinstance(result, Tensor):
            kind = {"dict": "dictionary"}.get(type(result).__name__, type(result).__name__)
            raise UnsupportedOperation(
                f"{type(self.root).__name__} gives a {kind} in evaluation mode; "
                "its forward must return the logits, one tensor of N × classes"
            )
        self.propagation.ids.frozen.append(compact(result).flatten())
        return result


class _Followed(fx.Proxy):
    """Stands for a value of the forward; sizes and what follows from them are numbers where Python asks for one."""

    tracer: _Tracer

    def __getattr__(self, k: str) -> Any:
        if isinstance(self.tracer.values.get(self.node), torch.device):  # contexts take its name as it is
            return getattr(self.tracer.values[self.node], k)
        return _Attribute(self, k)

    def __len__(self) -> int:
        return len(self.tracer.plain_value(self))

    def __index__(self) -> int:
        return operator.index(self.tracer.number(self))

    def __int__(self) -> int:
        return int(self.tracer.number(self))

    def __float__(self) -> float:
        return float(self.tracer.number(self))

    def __contains__(self, item: Any) -> bool:
        return item in self.tracer.plain_value(self)

    def __hash__(self) -> int:
        return id(self)


_Followed.__name__ = "symbolic tensor"  # as torch's own messages call it, which users read


class _Attribute(_Followed, fx.proxy.Attribute):
    """An attribute of such a value, which becomes a node when it is used; most are methods to be called."""

    def __getattr__(self, k: str) -> Any:
        # The kind of a device chooses between ways to compute the same, and torch wants to have it as text.
        return "cpu" if (self.attr, k) == ("device", "type") else super().__getattr__(k)


def _holds_tensors(values: Any) -> bool:
    return any(isinstance(value, Tensor | Weight) for value in torch.utils._pytree.tree_leaves(values))


def _computed(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What plain Python makes of sizes."""
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]
