"""Activations and their like: they pass identities on.

What they make of a zero does not matter, as in exp(0) = 1 or a bias that a norm adds: in the masked network no layer
reads a dropped channel, whatever it holds.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from engine.graph.propagation import Propagation
from engine.graph.rules.registry import function_rule, module_rule


@module_rule(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid)
@module_rule(nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Identity)
@module_rule(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
@function_rule(F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh)
@function_rule(F.celu, F.selu, F.softsign, F.logsigmoid, F.hardshrink, F.softshrink, F.tanhshrink, F.threshold, F.rrelu)
@function_rule(F.relu_, F.leaky_relu_, F.elu_, F.celu_, F.selu_, F.hardtanh_, F.rrelu_)
@function_rule(F.softplus, F.sigmoid, F.tanh, torch.relu, torch.relu_, torch.sigmoid, torch.tanh)
@function_rule(F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)
@function_rule(torch.exp, torch.log, torch.log1p, torch.expm1, torch.sqrt, torch.rsqrt, torch.square, torch.abs)
@function_rule(torch.sin, torch.cos, torch.atan, torch.erf, torch.sign, torch.neg, torch.reciprocal, torch.floor)
@function_rule(torch.ceil, torch.round, torch.clamp, torch.clip, torch.clamp_min, torch.clamp_max, torch.clone)
@function_rule(torch.nan_to_num, torch.zeros_like, torch.ones_like)
@function_rule("relu", "relu_", "sigmoid", "sigmoid_", "tanh", "contiguous", "clone", "detach", "float", "clamp")
@function_rule("clip", "clamp_min", "clamp_max", "clamp_", "exp", "log", "sqrt", "rsqrt", "square", "abs", "sign")
@function_rule(
    "neg",
    "reciprocal",
    "round",
    "floor",
    "ceil",
    "log1p",
    "sin",
    "cos",
    "erf",
    "to",
    "type_as",
    "requires_grad_",
    "cpu",
    "cuda",
    "hardtanh",
)
def passing(_p: Propagation, _n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else kwargs["input"]


@function_rule(F.softmax, F.log_softmax, F.softmin, torch.softmax, torch.log_softmax, "softmax", "log_softmax")
def softmax(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Over positions each channel keeps to itself; over channels the masked network sees those that are left."""
    dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
    if not isinstance(dim, int):
        raise p.unsupported(node, "the axis is not given")
    return p.mix(args[0], [dim % args[0].dim()], node, returns=True)


@function_rule(F.normalize)
def normalize(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    dim = kwargs.get("dim", args[2] if len(args) > 2 else 1)
    dims = [dim] if isinstance(dim, int) else list(dim)
    return p.mix(args[0], [d % args[0].dim() for d in dims], node, returns=True)


@function_rule(F.glu)
def glu(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """The first half of the channels, gated by the second."""
    x, dim = args[0], kwargs.get("dim", args[1] if len(args) > 1 else -1)
    first, second = x.chunk(2, dim)
    return p.meet(first, second, node)
