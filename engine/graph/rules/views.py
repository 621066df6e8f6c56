"""Views: the same channels along other axes.

Where a view names a number of channels, as in `x.view(-1, 512)`, a cut would leave another number: those channels all
stay, and a note says so. Splitting the channel axis by a number that is named ties the pieces instead.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from engine.graph.channel_ids import channel_axes, compact, distinct, spread
from engine.graph.propagation import Propagation
from engine.graph.rules.registry import function_rule, module_rule

_MOST_AXES = 16


@function_rule("expand", "repeat", torch.tile, "tile")
def expand(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    """Copies. One channel that is copied meets as many as there are; where the code names their number, they stay."""
    x: Tensor = args[0]
    sizes, raw = _sizes(args[1:]), _raw_sizes(node)
    out: Tensor = x.expand(*sizes) if node.target == "expand" else x.repeat(*sizes)
    if not channel_axes(x) and x.dim() == out.dim() > 1 and x.shape[1] == 1 < out.shape[1]:
        p.ids.frozen.append(compact(x).flatten())
        if not isinstance(raw[1], int):
            return x.flatten()[:1].expand(out.shape)
        copies = p.ids.fresh(out.shape[1])
        p.keep(copies, node, "names a number of channels")
        return spread(copies, 1, out.shape)
    if node.target == "expand" and any(isinstance(raw[d], int) and raw[d] != -1 for d in channel_axes(out)):
        p.keep(x, node, "names a number of channels")
    return out


@function_rule(torch.repeat_interleave, "repeat_interleave")
def repeat_interleave(_p: Propagation, _n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    return torch.repeat_interleave(*args, **kwargs)


@function_rule(torch.flatten, "flatten", torch.ravel, "ravel")
@module_rule(nn.Flatten)
def flatten(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x: Tensor = args[0]
    if node.op == "call_module":
        module = p.module(node)
        return x.flatten(module.start_dim, module.end_dim)
    return x.flatten(*args[1:], **kwargs)


@function_rule("view", "reshape", torch.reshape)
def view(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Splitting the channel axis by a fixed number ties those pieces; a fixed number of channels stays."""
    sizes = _sizes(args[1:]) if len(args) > 1 else tuple(kwargs["shape"])
    if sizes and isinstance(sizes[0], torch.dtype):
        return args[0]  # type: ignore[no-any-return]
    return _viewed(p, node, args[0], _reshaped(args[0], sizes), _raw_sizes(node))


@function_rule("view_as", "reshape_as")
def view_as(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    out = _reshaped(args[0], tuple(args[1].shape))
    return _viewed(p, node, args[0], out, [None] * out.dim())


@function_rule(torch.unflatten, "unflatten")
def unflatten(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x, dim, sizes = (*args, *kwargs.values())
    raw: list[Any] = [None] * x.dim()
    named = node.kwargs.get("sizes", node.args[2] if len(node.args) > 2 else None)
    raw[dim : dim % x.dim() + 1] = list(named) if isinstance(named, list | tuple) else [None] * len(sizes)
    return _viewed(p, node, x, x.unflatten(dim, sizes), raw)


def _viewed(p: Propagation, node: fx.Node, x: Tensor, out: Tensor, raw: Sequence[Any]) -> Tensor:
    """`raw` are the sizes as the code has them: numbers where it names them."""
    axes = channel_axes(out)
    fixed = [d for d in axes if isinstance(raw[d], int) and raw[d] != -1]
    if distinct(x) <= p.image_channels or (not fixed and len(axes) < 2):
        return out
    if len(axes) != 2 or len(fixed) != 1:
        p.keep(x, node, "fixes a number of channels")
        return out
    pieces = out.unbind(fixed[0])
    p.ids.tie(pieces)
    return pieces[0].unsqueeze(fixed[0]).expand(out.shape)


@function_rule(F.pixel_shuffle)
def pixel_shuffle(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Channels become positions: those that make one channel go together."""
    x, factor = args[0], args[1] if len(args) > 1 else kwargs["upscale_factor"]
    pieces = p.channel_vector(x, 1, node).reshape(-1, factor**2)
    p.ids.tie(pieces.unbind(1))
    sizes = [n * factor for n in x.shape[2:]]
    return spread(pieces[:, 0].clone(), 1, [x.shape[0], len(pieces), *sizes])


@function_rule(F.pixel_unshuffle)
def pixel_unshuffle(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Positions become channels: each channel is several, which go together."""
    x, factor = args[0], args[1] if len(args) > 1 else kwargs["downscale_factor"]
    vector = p.channel_vector(x, 1, node).repeat_interleave(factor**2)
    return spread(vector, 1, [x.shape[0], len(vector), *[n // factor for n in x.shape[2:]]])


@function_rule(F.channel_shuffle, F.native_channel_shuffle)
def channel_shuffle(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x, groups = args[0], args[1] if len(args) > 1 else kwargs["groups"]
    vector = p.channel_vector(x, 1, node)
    p.ids.tie(vector.chunk(groups))
    return spread(vector.reshape(groups, -1).T.reshape(-1), 1, x.shape)


def _reshaped(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """`x.reshape(sizes)` that leaves untouched trailing axes expanded instead of copying them."""
    tail = 0
    while (
        tail < min(x.dim() - 1, len(sizes) - 1) and x.stride(-1 - tail) == 0 and x.shape[-1 - tail] == sizes[-1 - tail]
    ):
        tail += 1
    for d in range(x.dim() - tail, x.dim()):
        x = x.narrow(d, 0, 1)
    small = x.reshape(*sizes[: len(sizes) - tail], *[1] * tail)
    return small.expand(*small.shape[: len(sizes) - tail], *sizes[len(sizes) - tail :])


def _sizes(given: Sequence[Any]) -> tuple[Any, ...]:
    """The sizes that a call names one by one, or in a list."""
    return tuple(given[0]) if given and isinstance(given[0], list | tuple) else tuple(given)


def _raw_sizes(node: fx.Node) -> list[Any]:
    """The sizes of a call as the code has them: numbers where it names them, nodes where they follow from tensors."""
    given = node.args[1:] if len(node.args) > 1 else (node.kwargs.get("shape"),)
    if len(given) == 1 and isinstance(given[0], list | tuple):
        return list(given[0])
    if len(given) == 1 and isinstance(given[0], fx.Node):
        return [given[0]] * _MOST_AXES
    return list(given)
