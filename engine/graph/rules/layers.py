"""Layers: they take channels in and give fresh ones out, as modules or as functions of a module's parameters."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.func import functional_call

from engine.graph.channel_ids import Layer, on_meta, spread
from engine.graph.propagation import Propagation, Weight, positions
from engine.graph.rules.registry import function_rule, module_rule

_FUNCTIONS: dict[int, Any] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}  # by the axes of a weight
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@module_rule(nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)
def convolution(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    conv, x = p.module(node), args[0]
    transposed = isinstance(conv, _TRANSPOSED)
    if transposed or conv.padding_mode != "zeros":
        parameters = {name: parameter.to("meta") for name, parameter in conv.named_parameters()}
        shape = functional_call(conv, parameters, (on_meta(x), *args[1:]), kwargs).shape
    else:
        shape = _convolved_shape(conv, x.shape)
    return _convolved(p, node, str(node.target), x, conv.weight, shape, conv.groups, conv.bias is not None, transposed)


def _convolved_shape(conv: nn.Conv1d | nn.Conv2d | nn.Conv3d, images: Sequence[int]) -> Sequence[int]:
    """The shape of what a convolution that pads with zeros makes of a batch; torch's own error where it takes none.

    Worked out here, as Conv2d's documentation has it: the first convolution without numbers makes torch import sympy,
    and every command would wait a third of a second for that.
    """
    width, width_in, *kernels = conv.weight.shape
    sizes: Sequence[int] = images[2:]
    if conv.padding != "same":
        padding = [0] * len(kernels) if isinstance(conv.padding, str) else conv.padding
        ways = zip(sizes, padding, conv.dilation, kernels, conv.stride, strict=False)
        sizes = [(size + 2 * pad - far * (kernel - 1) - 1) // step + 1 for size, pad, far, kernel, step in ways]
    if len(images) == conv.weight.dim() and images[1] == width_in * conv.groups and min(sizes) > 0:
        return images[0], width, *sizes
    convolve, nothing = _FUNCTIONS[conv.weight.dim()], torch.empty(*images, device="meta")
    how = (conv.stride, conv.padding, conv.dilation, conv.groups)
    shape: Sequence[int] = convolve(nothing, conv.weight.to("meta"), None, *how).shape
    return shape


@function_rule(F.conv1d, F.conv2d, F.conv3d, weights=True)
@function_rule(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d, weights=True)
def functional_convolution(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """A convolution with the parameters of one module, as subclasses that pad by themselves call it."""
    transposed = node.target in (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
    names = ("bias", "stride", "padding", *(("output_padding", "groups") if transposed else ("dilation", "groups")))
    how = {**dict(zip(names, args[2:], strict=False)), **kwargs}
    weight, bias = _parameters_of_one_module(
        p, node, args[1] if len(args) > 1 else how.pop("weight"), how.pop("bias", None)
    )
    x = p.as_ids(args[0], node)
    shape = node.target(on_meta(x), weight.tensor.to("meta"), None, **how).shape  # type: ignore[operator]
    groups = how.get("groups", 1)
    p.owners[node.name] = weight.owner
    if groups > 1 and isinstance(_raw_groups(node), int) and getattr(p.held_by(weight.owner), "groups", None) != groups:
        p.keep(x, node, "names its groups")
    return _convolved(p, node, weight.owner, x, weight.tensor, shape, groups, bias is not None, transposed)


def _raw_groups(node: fx.Node) -> Any:
    return node.kwargs.get("groups", node.args[6] if len(node.args) > 6 else 1)


def _convolved(
    p: Propagation,
    node: fx.Node,
    name: str,
    x: Tensor,
    weight: Tensor,
    shape: Sequence[int],
    groups: int,
    bias: bool,
    transposed: bool,
) -> Tensor:
    if x.dim() != weight.dim():
        raise p.unsupported(node, "it works on images without a batch axis")
    ins = p.channel_vector(x, 1, node)
    width = shape[1]
    if groups == len(ins) and groups > 1:
        outs, kind = ins.repeat_interleave(width // groups), "depthwise"
    elif groups > 1:
        # The groups stay equal in size on both sides, so they share their identities by position.
        p.ids.tie(ins.chunk(groups))
        outs, kind = p.ids.fresh(width // groups).repeat(groups), "conv"
    else:
        outs, kind = p.ids.fresh(width), "conv"
    visited = positions(x.shape if transposed else shape)
    sizes = (groups, prod(weight.shape[2:]), visited)
    outs = p.record(Layer(name, kind, ins.numpy(), outs.numpy(), *sizes, bias, transposed))
    return spread(outs, 1, shape)


@module_rule(nn.Linear)
def linear(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    module = p.module(node)
    return _multiplied(p, node, str(node.target), args[0], module.out_features, module.bias is not None)


@function_rule(F.linear, weights=True)
def functional_linear(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    how = {**dict(zip(("weight", "bias"), args[1:], strict=False)), **kwargs}
    weight, bias = _parameters_of_one_module(p, node, how["weight"], how.get("bias"))
    x = p.as_ids(args[0], node)
    p.owners[node.name] = weight.owner
    return _multiplied(p, node, weight.owner, x, weight.tensor.shape[0], bias is not None)


def _multiplied(p: Propagation, node: fx.Node, name: str, x: Tensor, width: int, bias: bool) -> Tensor:
    ins = p.channel_vector(x, x.dim() - 1, node)
    layer = Layer(name, "linear", ins.numpy(), p.ids.fresh(width).numpy(), 1, 1, prod(x.shape[1:-1]), bias)
    return p.record(layer).expand(*x.shape[:-1], width)


def _parameters_of_one_module(p: Propagation, node: fx.Node, weight: Any, bias: Any) -> tuple[Weight, Weight | None]:
    """The `weight` and `bias` of the module that a function computes with; refused where they are anything else."""
    if not isinstance(weight, Weight):
        raise p.unsupported(node, f"its weight is worked out anew each time{_in_class(p, node)}")
    if weight.name != f"{weight.owner}.weight".lstrip(".") or not weight.learned:
        raise p.unsupported(node, f"its weight is {weight.name}; layers are followed whose parameter is called weight")
    if not weight.owner:
        raise p.unsupported(node, "its weight is the network's own; put it into a module that does this one thing")
    if bias is not None and not (isinstance(bias, Weight) and bias.name == f"{weight.owner}.bias".lstrip(".")):
        raise p.unsupported(node, f"its bias is not the one beside {weight.name}")
    return weight, bias


def _in_class(p: Propagation, node: fx.Node) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return f" by {getattr(stack[-1][1], '__name__', stack[-1][1])}" if stack else ""
