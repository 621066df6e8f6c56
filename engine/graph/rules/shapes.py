"""What only moves data is executed on the identities.

Where the code of a network names a number of channels, as in `torch.split(x, 16, 1)`, a cut would leave another number:
those channels all stay, and a note says so.
"""

import operator
from collections.abc import Sequence
from math import gcd
from typing import Any

import torch
from torch import Tensor, fx

from engine.graph.channel_ids import channel_axes, distinct, varies
from engine.graph.propagation import Propagation, Weight
from engine.graph.rules.registry import function_rule

_ATTRIBUTES = {"dtype": torch.float32, "device": torch.device("cpu"), "is_cuda": False, "requires_grad": False}
_MEASURES = ("shape", "ndim")
_VIEWS = ("T", "mT")


@function_rule(torch.permute, torch.transpose, torch.swapaxes, torch.movedim, torch.unsqueeze, torch.squeeze, torch.t)
@function_rule("permute", "transpose", "swapaxes", "movedim", "unsqueeze", "squeeze", "t", "expand_as")
@function_rule(torch.flip, "flip", torch.rot90, "rot90")
def executed(_p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


@function_rule("size", "dim", "numel", "nelement", "is_floating_point", "is_contiguous", "ndimension", weights=True)
def measured(_p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What is asked of a tensor's shape."""
    tensor = args[0].tensor if isinstance(args[0], Weight) else args[0]
    if node.target in ("is_floating_point", "is_contiguous"):
        return True
    return getattr(tensor, str(node.target))(*args[1:], **kwargs)


@function_rule(getattr, weights=True)
def attribute(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Any:
    value, name = args[:2]
    if not isinstance(value, Tensor | Weight):
        return getattr(value, name)
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name]
    if name == "data":
        return value
    tensor = value.tensor if isinstance(value, Weight) else value
    if name in _MEASURES:
        return getattr(tensor, name)
    if name in _VIEWS:
        return getattr(p.as_ids(value, node), name)
    raise p.unsupported(node, f"the attribute {name} of a tensor")


@function_rule(torch._assert)
def assertion(_p: Propagation, _n: fx.Node, _a: tuple[Any, ...], _k: dict[str, Any]) -> None:
    """What a network checks of its images is checked when it runs."""


@function_rule(torch.roll, "roll")
def roll(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x = args[0]
    if set(_dims(kwargs.get("dims", args[2] if len(args) > 2 else None), x)) & set(channel_axes(x)):
        p.keep(x, node, "moves channels by a fixed number of places")
    return torch.roll(x, *args[1:], **kwargs)


@function_rule(operator.getitem)
def getitem(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Any:
    x, index = args
    if not isinstance(x, Tensor):
        return x[index]
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, Tensor) for part in parts):
        raise p.unsupported(node, "an index that is worked out from data")
    out = x[index]
    axes = channel_axes(x)
    place = _place(parts, axes[0], x.dim()) if len(axes) == 1 else None
    listed = place is not None and isinstance(parts[place], list | tuple)
    if not listed and len(axes) < 2 and distinct(x) - distinct(out) <= p.image_channels:
        return out
    raw = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    if place is not None and isinstance(parts[place], slice) and _is_computed(raw[place]):
        start, stop, step = parts[place].indices(x.shape[axes[0]])
        _tie_pieces(p, x, axes[0], [start, stop], step)
    else:
        p.keep(x, node, "indexes channels by their number")
    return out


def _place(parts: Sequence[Any], axis: int, dims: int) -> int | None:
    """Which part of an index is about an axis; None where none is."""
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        missing = dims - sum(part is not None and part is not Ellipsis for part in parts)
        parts = [*parts[:at], *[Ellipsis] * missing, *parts[at + 1 :]]
        shift = missing - 1
    else:
        at, shift = len(parts), 0
    met = -1
    for place, part in enumerate(parts):
        met += part is not None
        if met == axis:
            return None if part is Ellipsis else place - (shift if place > at else 0)
    return None


def _is_computed(part: Any) -> bool:
    """Whether a slice's bounds follow from the sizes of tensors, and none is written in the code."""
    bounds = [bound for bound in (part.start, part.stop) if bound not in (None, 0)] if isinstance(part, slice) else []
    return bool(bounds) and all(isinstance(bound, fx.Node) for bound in bounds)


def _tie_pieces(p: Propagation, x: Tensor, axis: int, bounds: Sequence[int], step: int = 1) -> None:
    """A cut that leaves the same share of every piece leaves bounds at the same share of the channels."""
    piece = gcd(x.shape[axis], *bounds)
    if step != 1:
        piece = 1
    p.ids.tie(torch.split(x, max(piece, 1), axis))


@function_rule(torch.narrow, "narrow")
def narrow(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x, dim, start, length = (*args, *kwargs.values())
    out: Tensor = x.narrow(dim, start, length)
    if distinct(x) - distinct(out):
        p.keep(x, node, "names a number of channels")
    return out


@function_rule(torch.select, "select")
def select(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    x, dim, index = (*args, *kwargs.values())
    if varies(x, dim % x.dim()):
        p.keep(x, node, "names a channel")
    return x.select(dim, index)  # type: ignore[no-any-return]


@function_rule(torch.unbind, "unbind")
def unbind(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, ...]:
    x, dim = args[0], kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if varies(x, dim % x.dim()):
        p.keep(x, node, "takes channels apart")
    return x.unbind(dim)  # type: ignore[no-any-return]


@function_rule(torch.chunk, "chunk")
def chunk(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, ...]:
    x, count = args[0], args[1] if len(args) > 1 else kwargs["chunks"]
    dim = kwargs.get("dim", args[2] if len(args) > 2 else 0)
    pieces: tuple[Tensor, ...] = x.chunk(count, dim)
    if varies(x, dim % x.dim()):
        if len({piece.shape for piece in pieces}) > 1:
            p.keep(x, node, "makes chunks of unequal size")
        else:
            p.ids.tie(pieces)
    return pieces


@function_rule(torch.split, "split", torch.split_with_sizes, "split_with_sizes")
def split(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, ...]:
    """Pieces of one size are tied by position; where the code names the size, all channels stay besides."""
    named = [name for name in ("split_size_or_sections", "split_size", "split_sizes") if name in kwargs]
    x, sizes = args[0], kwargs[named[0]] if named else args[1]
    raw = node.kwargs[named[0]] if named else node.args[1]
    dim = kwargs.get("dim", args[2] if len(args) > 2 else 0)
    pieces: tuple[Tensor, ...] = x.split(sizes, dim)
    if not varies(x, dim % x.dim()):
        return pieces
    if len({piece.shape for piece in pieces}) == 1:
        p.ids.tie(pieces)
    else:
        bounds = torch.tensor([piece.shape[dim] for piece in pieces]).cumsum(0).tolist()
        _tie_pieces(p, x, dim % x.dim(), bounds)
    if any(isinstance(size, int) for size in (raw if isinstance(raw, list | tuple) else [raw])):
        p.keep(x, node, "names a number of channels")
    return pieces


def _dims(dims: Any, x: Tensor) -> list[int]:
    """Axes counted from the front; all of them for None."""
    if dims is None:
        return list(range(x.dim()))
    return [d % x.dim() for d in ([dims] if isinstance(dims, int) else dims)]
