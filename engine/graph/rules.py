"""One operation, one handler: what each operation of a network does to channel identities.

A handler gets the propagation, the graph node and its arguments with identities in place of
activations, and returns the identities of the output. An operation without a handler stops the
trace with its name and place.
"""

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torchvision.models.convnext import LayerNorm2d
from torchvision.ops import StochasticDepth
from torchvision.ops.stochastic_depth import stochastic_depth

from engine.graph.channel_ids import Affine, Layer, compact, distinct, varies
from engine.graph.propagation import Propagation

ADDITIONS = {torch.add, operator.add, operator.iadd, "add", "add_"}
Handler = Callable[[Propagation, fx.Node, tuple[Any, ...], dict[str, Any]], Any]
MODULES: dict[type[nn.Module], Handler] = {}
FUNCTIONS: dict[Any, Handler] = {}  # functions by themselves, tensor methods by name


def module_rule(*kinds: type[nn.Module]) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        MODULES.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def function_rule(*targets: Any) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        FUNCTIONS.update(dict.fromkeys(targets, handler))
        return handler

    return register


def for_module(module: nn.Module) -> Handler | None:
    """The handler of a module's nearest known class."""
    return next((MODULES[kind] for kind in type(module).__mro__ if kind in MODULES), None)


# --- layers that take channels in and give fresh ones out -------------------------------------


@module_rule(nn.Conv1d, nn.Conv2d, nn.Conv3d)
def convolution(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    name, conv, x = str(node.target), p.module(node), args[0]
    ins = p.channel_vector(x, 1, node)
    how = (conv.stride, conv.padding, conv.dilation, conv.groups)
    shape = F.conv2d(_meta(x), conv.weight.to("meta"), None, *how).shape
    if conv.groups == conv.in_channels and conv.groups > 1:
        outs, kind = ins.repeat_interleave(conv.out_channels // conv.groups), "depthwise"
    elif conv.groups > 1:
        # The groups stay equal in size on both sides, so they share their identities by position.
        p.ids.tie(ins.chunk(conv.groups))
        outs, kind = p.ids.fresh(conv.out_channels // conv.groups).repeat(conv.groups), "conv"
    else:
        outs, kind = p.ids.fresh(conv.out_channels), "conv"
    sizes = (conv.groups, prod(conv.kernel_size), prod(shape[2:]))
    layer = Layer(name, kind, ins.numpy(), outs.numpy(), *sizes, conv.bias is not None)
    return p.record(layer)[None, :, None, None].expand(shape)


@module_rule(nn.Linear)
def linear(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    name, module, x = str(node.target), p.module(node), args[0]
    ins = p.channel_vector(x, x.dim() - 1, node)
    outs = p.ids.fresh(module.out_features)
    positions = prod(x.shape[1:-1])
    layer = Layer(name, "linear", ins.numpy(), outs.numpy(), 1, 1, positions, module.bias is not None)
    return p.record(layer).expand(*x.shape[:-1], module.out_features)


# --- what holds one parameter or a few per channel --------------------------------------------


@module_rule(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
def batch_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    return _affine(p, node, args[0], "batch_norm", 1, 2 if p.module(node).affine else 0)


@module_rule(LayerNorm2d)
def layer_norm_2d(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    return _affine(p, node, args[0], "layer_norm", 1, 2)


@module_rule(nn.LayerNorm)
def layer_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    module = p.module(node)
    if len(module.normalized_shape) != 1:
        raise p.unsupported(node, "layer norm over more than the channel axis")
    return _affine(p, node, args[0], "layer_norm", args[0].dim() - 1, 2 if module.elementwise_affine else 0)


@module_rule(nn.PReLU)
def prelu(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    return args[0] if p.module(node).num_parameters == 1 else _affine(p, node, args[0], "prelu", 1, 1)


def parameter(p: Propagation, node: fx.Node, tensor: Tensor) -> Tensor:
    """A bare parameter (such as ConvNeXt's layer scale): joined with the channels it meets."""
    axes = [d for d, size in enumerate(tensor.shape) if size > 1]
    if len(axes) > 1:
        raise p.unsupported(node, "a bare parameter with more than one axis")
    dim = axes[0] if axes else 0
    ids = p.ids.fresh(tensor.numel())
    if axes:
        p.affines[str(node.target)] = Affine(str(node.target), "parameter", ids.numpy(), dim, 1)
    return ids.reshape(tensor.shape)


def _affine(p: Propagation, node: fx.Node, x: Tensor, kind: str, dim: int, params: int) -> Tensor:
    ids = p.channel_vector(x, dim, node)
    p.affines[str(node.target)] = Affine(str(node.target), kind, ids.numpy(), dim, params)
    return x


# --- joining ------------------------------------------------------------------------------------


@function_rule(torch.add, torch.mul, torch.sub, torch.div, torch.maximum, torch.minimum)
@function_rule(operator.add, operator.mul, operator.sub, operator.truediv, operator.iadd, operator.imul, operator.isub)
@function_rule("add", "mul", "sub", "div", "add_", "mul_", "sub_", "div_")
def elementwise(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    operands = [a for a in args[:2] if isinstance(a, Tensor)]
    if len(operands) == 2:
        if node.target in ADDITIONS:
            p.ids.added += [compact(x).flatten() for x in operands]
        return p.ids.join(*operands)
    return operands[0] if operands else node.target(*args, **kwargs)  # type: ignore[operator]  # sizes are plain ints


# --- passing identities on ----------------------------------------------------------------------


@module_rule(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid)
@module_rule(nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Identity, StochasticDepth)
@module_rule(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
@function_rule(F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh)
@function_rule(F.softplus, F.dropout, F.dropout2d, torch.relu, torch.relu_, torch.sigmoid, torch.tanh, stochastic_depth)
@function_rule("relu", "relu_", "sigmoid", "tanh", "contiguous", "clone", "detach", "float", "clamp")
def passing(_p: Propagation, _n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs["input"]


@module_rule(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
def pooling_module(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    return _pooled(p, node, args[0], p.module(node)(_meta(args[0])))


@function_rule(F.max_pool2d, torch.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
@function_rule(torch.adaptive_avg_pool1d)
def pooling_function(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    return _pooled(p, node, args[0], node.target(_meta(args[0]), *args[1:], **kwargs))  # type: ignore[operator]


def _pooled(p: Propagation, node: fx.Node, x: Tensor, pooled: Tensor) -> Tensor:
    channels = p.channel_vector(x, 1, node)
    return channels.reshape(1, -1, *([1] * (pooled.dim() - 2))).expand(pooled.shape)


@function_rule(torch.mean, "mean")
def mean(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x: Tensor = args[0]
    dims = kwargs.get("dim", args[1] if len(args) > 1 else tuple(range(x.dim())))
    dims = [d % x.dim() for d in ([dims] if isinstance(dims, int) else dims)]
    if any(varies(x, d) for d in dims):
        raise p.unsupported(node, "a mean across channels")
    keep = kwargs.get("keepdim", args[2] if len(args) > 2 else False)
    for d in sorted(dims, reverse=True):
        x = x.narrow(d, 0, 1) if keep else x.select(d, 0)
    return x


# --- executed on the identities -----------------------------------------------------------------


@function_rule(torch.permute, torch.transpose, torch.unsqueeze, torch.squeeze, torch.stack)
@function_rule("permute", "transpose", "unsqueeze", "squeeze", "t", "size", "dim", getattr)
@function_rule(operator.floordiv, operator.mod)
def executed(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


@function_rule(torch.cat, torch.concat)
def cat(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    pieces = list(args[0] if args else kwargs["tensors"])
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0) % pieces[0].dim()
    flat = [d for d in range(pieces[0].dim()) if d != dim and all(x.stride(d) == 0 for x in pieces)]
    shape = list(pieces[0].shape)
    shape[dim] = sum(x.shape[dim] for x in pieces)
    for d in flat:  # the repeats along expanded axes are neither stored nor copied
        pieces = [x.narrow(d, 0, 1) for x in pieces]
    return torch.cat(pieces, dim).expand(shape)


@function_rule(operator.getitem)
def getitem(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Any:
    x, index = args
    if not isinstance(x, Tensor):
        return x[index]
    out = x[index]
    lost = distinct(x) - distinct(out)
    if lost - p.image_channels:
        raise p.unsupported(node, "indexing with fixed channel numbers")
    return out


@function_rule(torch.chunk, "chunk")
def chunk(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, ...]:
    x, count = args[0], args[1] if len(args) > 1 else kwargs["chunks"]
    dim = kwargs.get("dim", args[2] if len(args) > 2 else 0)
    pieces: tuple[Tensor, ...] = x.chunk(count, dim)
    if varies(x, dim):
        if len({piece.shape for piece in pieces}) > 1:
            raise p.unsupported(node, "chunks of unequal size")
        p.ids.tie(pieces)
    return pieces


@function_rule(torch.flatten, "flatten")
@module_rule(nn.Flatten)
def flatten(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x: Tensor = args[0]
    if node.op == "call_module":
        module = p.module(node)
        return x.flatten(module.start_dim, module.end_dim)
    return x.flatten(*args[1:], **kwargs)


@function_rule("view", "reshape", torch.reshape)
def view(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Splitting the channel axis by a fixed number ties those pieces; a fixed channel count is refused."""
    sizes = args[1:] if isinstance(args[1], int) else tuple(args[1])
    raw = node.args[1:] if not isinstance(node.args[1], list | tuple) else tuple(node.args[1])
    out = _reshaped(args[0], sizes)
    carrying = [d for d in range(out.dim()) if varies(out, d)]
    fixed = [d for d in carrying if isinstance(raw[d], int) and raw[d] != -1]
    if distinct(args[0]) <= p.image_channels:
        return out
    if len(carrying) > 2 or (fixed and len(carrying) != 2) or len(fixed) > 1:
        raise p.unsupported(node, "a view with a fixed number of channels")
    if fixed:
        p.ids.tie(out.unbind(fixed[0]))
    return out


def _reshaped(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """`x.reshape(sizes)` that leaves untouched trailing axes expanded instead of copying them."""
    tail = 0
    while tail < x.dim() - 1 and x.stride(-1 - tail) == 0 and x.shape[-1 - tail] == sizes[-1 - tail]:
        tail += 1
    for d in range(x.dim() - tail, x.dim()):
        x = x.narrow(d, 0, 1)
    small = x.reshape(*sizes[: len(sizes) - tail], *[1] * tail)
    return small.expand(*small.shape[: len(sizes) - tail], *sizes[len(sizes) - tail :])


def _meta(ids: Tensor) -> Tensor:
    return torch.empty(ids.shape, device="meta")
