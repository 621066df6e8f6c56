"""What changes the positions and keeps the channels, and what reduces an axis to one number."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from engine.graph.channel_ids import spread
from engine.graph.propagation import Propagation
from engine.graph.rules.registry import function_rule, module_rule


@module_rule(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
def pooling_module(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    return _pooled(p, node, args[0], p.module(node)(_one_channel(args[0])))


@function_rule(F.max_pool1d, F.max_pool2d, F.max_pool3d, torch.max_pool1d, torch.max_pool2d, torch.max_pool3d)
@function_rule(F.avg_pool1d, F.avg_pool2d, F.avg_pool3d, F.lp_pool1d, F.lp_pool2d)
@function_rule(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d, torch.adaptive_avg_pool1d)
@function_rule(F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)
@function_rule(F.interpolate, F.upsample)
def pooling_function(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    return _pooled(p, node, args[0], node.target(_one_channel(args[0]), *args[1:], **kwargs))  # type: ignore[operator]


def _one_channel(ids: Tensor) -> Tensor:
    """An activation of that shape but for its channels, which no pool mixes.

    It holds numbers: on the meta device torch asks its compiler about some pools, which takes a second to import.
    """
    return torch.zeros(*ids.shape[:1], 1, *ids.shape[2:])


def _pooled(p: Propagation, node: fx.Node, x: Tensor, pooled: Any) -> Tensor:
    if not isinstance(pooled, Tensor):
        raise p.unsupported(node, "a pool that returns its indices")
    return spread(p.channel_vector(x, 1, node), 1, (*pooled.shape[:1], x.shape[1], *pooled.shape[2:]))


@function_rule(F.pad)
def pad(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Padded positions belong to their channels; padded channels are new ones, whose number the code fixes."""
    x: Tensor = args[0]
    sizes = list(args[1] if len(args) > 1 else kwargs["pad"])
    mode = kwargs.get("mode", args[2] if len(args) > 2 else "constant")
    axes = range(x.dim() - 1, -1, -1)  # the last one first
    for dim, before, after in zip(axes, sizes[::2], sizes[1::2], strict=False):
        if before == after == 0:
            continue
        if dim == 1 and x.dim() > 2:
            if mode != "constant" or min(before, after) < 0:
                p.keep(x, node, "pads channels by their number")
                x = torch.cat([x] * (1 + (before + after) // x.shape[1] + 1), 1) if before + after > 0 else x
                x = x.narrow(1, 0, args[0].shape[1] + before + after)
                continue
            zeros = p.ids.fresh(before + after)
            p.keep(zeros, node, "pads channels by their number")
            vector = torch.cat([zeros[:before], p.channel_vector(x, 1, node), zeros[before:]])
            x = spread(vector, 1, [*x.shape[:1], len(vector), *x.shape[2:]])
        else:
            x = x.narrow(dim, 0, 1).expand([n + before + after if d == dim else n for d, n in enumerate(x.shape)])
    return x


@function_rule(torch.mean, "mean", torch.sum, "sum", torch.std, "std", torch.var, "var", torch.amax, "amax")
@function_rule(torch.amin, "amin", torch.logsumexp, "logsumexp", torch.linalg.vector_norm)
def reduction(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Over positions each channel keeps to itself; over channels the masked network sees those that are left."""
    first = 2 if node.target is torch.linalg.vector_norm else 1
    return _reduced(p, node, args[0], args[first:], kwargs)


@function_rule(torch.norm, torch.linalg.norm, "norm")
def norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    return _reduced(p, node, args[0], args[2:], kwargs)


@function_rule(torch.max, "max", torch.min, "min")
def extreme(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The largest or smallest along an axis, with its indices; of two tensors where two are given."""
    if len(args) > 1 and isinstance(args[1], Tensor):
        return p.meet(args[0], args[1], node)
    values = _reduced(p, node, args[0], args[1:], kwargs)
    over_axis = len(args) > 1 or "dim" in kwargs
    return torch.return_types.max((values, values)) if over_axis else values


def _reduced(p: Propagation, node: fx.Node, x: Tensor, rest: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """`rest` are the arguments from the axes on."""
    dims = kwargs.get("dim", kwargs.get("axis", rest[0] if rest else None))
    dims = list(range(x.dim())) if dims is None or isinstance(dims, bool) else dims
    dims = sorted({d % x.dim() for d in ([dims] if isinstance(dims, int) else dims)}) if x.dim() else []
    place = 2 if node.target in (torch.std, torch.var, "std", "var") else 1  # after the correction
    keep = kwargs.get("keepdim", rest[place] if len(rest) > place else False)
    x = p.mix(x, dims, node, returns=False)
    return x if keep else x.reshape([n for d, n in enumerate(x.shape) if d not in dims])
