"""Joining: what is added or multiplied is one and the same, and what is concatenated lies side by side."""

import operator
from typing import Any

import torch
from torch import Tensor, fx

from engine.graph.channel_ids import channel_axes, compact, spread
from engine.graph.propagation import Propagation, Weight
from engine.graph.rules.registry import function_rule

ADDITIONS = {torch.add, operator.add, operator.iadd, "add", "add_"}
_COMPARISONS = (operator.gt, operator.ge, operator.lt, operator.le, operator.eq, operator.ne)


@function_rule(torch.add, torch.mul, torch.sub, torch.div, torch.maximum, torch.minimum, torch.pow, weights=True)
@function_rule(operator.add, operator.mul, operator.sub, operator.truediv, operator.pow, operator.neg, weights=True)
@function_rule(operator.iadd, operator.imul, operator.isub, operator.itruediv, *_COMPARISONS, weights=True)
@function_rule("add", "mul", "sub", "div", "add_", "mul_", "sub_", "div_", "pow", "maximum", "minimum", weights=True)
@function_rule(torch.multiply, torch.subtract, torch.divide, torch.rsub, "multiply", "subtract", "divide", weights=True)
def elementwise(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    operands = [a for a in (*args[:2], kwargs.get("other")) if isinstance(a, Tensor | Weight)]
    if not operands:
        return node.target(*args, **kwargs)  # type: ignore[operator]  # sizes are plain ints
    if len(operands) == 1:
        for measured in p.measured_channels(node):
            p.keep(measured, node, "computes with the number of channels")
        return p.as_ids(operands[0], node)
    first, second = (_operand(p, node, *pair) for pair in (operands, operands[::-1]))
    sources = [n for n in node.all_input_nodes if n in p.from_image]
    if node.target in ADDITIONS and len(sources) == 2:
        p.ids.added += [compact(x).flatten() for x in (first, second)]
    return p.meet(first, second, node)


def _operand(p: Propagation, node: fx.Node, value: Tensor | Weight, other: Tensor | Weight) -> Tensor:
    """Identities of an operand; those of a parameter of several axes lie along the one where its channels are met."""
    if isinstance(value, Tensor) or isinstance(other, Weight) or sum(n > 1 for n in value.tensor.shape) < 2:
        return p.as_ids(value, node)
    axes = channel_axes(other)
    dim = axes[0] - other.dim() + value.tensor.dim() if len(axes) == 1 else -1
    return p.bare_ids(value, dim if dim >= 0 and value.tensor.shape[dim] > 1 else None, node)


@function_rule(torch.where, torch.lerp, torch.addcmul, torch.addcdiv, torch.masked_fill)
@function_rule("where", "lerp", "addcmul", "addcdiv", "masked_fill", "masked_fill_")
def several(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Any:
    """Elementwise on more than two operands."""
    first, *rest = (x for x in args if isinstance(x, Tensor))
    for other in rest:
        first = p.meet(first, other, node)
    return first


@function_rule(torch.cat, torch.concat, torch.concatenate)
def cat(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    pieces = [p.as_ids(x, node) for x in (args[0] if args else kwargs["tensors"])]
    dim = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else 0)) % pieces[0].dim()
    shape = list(pieces[0].shape)
    shape[dim] = sum(x.shape[dim] for x in pieces)
    usual = dim in channel_axes(pieces[0])
    across = set() if usual else {axis for x in pieces for axis in channel_axes(x)}
    if len(across) == 1 and dim not in across:
        (axis,) = across  # positions lie side by side, and channels are the same ones
        vectors = [p.channel_vector(x, axis, node) for x in pieces]
        p.ids.tie(vectors)
        return spread(vectors[0], axis, shape)
    flat = [d for d in range(pieces[0].dim()) if d != dim and all(x.stride(d) == 0 for x in pieces)]
    for d in flat:  # the repeats along expanded axes are neither stored nor copied
        pieces = [x.narrow(d, 0, 1) for x in pieces]
    return torch.cat(pieces, dim).expand(shape)


@function_rule(torch.stack)
def stack(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Pieces of one shape: their channels are the same ones."""
    pieces = [p.as_ids(x, node) for x in (args[0] if args else kwargs["tensors"])]
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0) % (pieces[0].dim() + 1)
    p.ids.tie(pieces)
    sizes = [-1] * (pieces[0].dim() + 1)
    sizes[dim] = len(pieces)
    return pieces[0].unsqueeze(dim).expand(sizes)


@function_rule(torch.einsum)
def einsum(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    """Sums over positions alone: a squeeze, a permutation, a gate. What sums over channels is refused."""
    equation, operands = str(args[0]).replace(" ", ""), list(args[1:])
    operands = list(operands[0]) if isinstance(operands[0], list | tuple) else operands
    inputs, arrow, result = equation.partition("->")
    terms = inputs.split(",")
    if not arrow or "." in equation or any(len(set(term)) < len(term) for term in (*terms, result)):
        raise p.unsupported(node, f"the equation {equation}")
    labels = list(dict.fromkeys(inputs.replace(",", "")))
    joined: Tensor | None = None
    for term, operand in zip(terms, operands, strict=True):
        ids = p.as_ids(operand, node).permute([term.index(x) for x in labels if x in term])
        ids = ids[tuple(slice(None) if x in term else None for x in labels)]
        joined = ids if joined is None else p.meet(joined, ids, node)
    assert joined is not None
    summed = [d for d, label in enumerate(labels) if label not in result]
    if (len(operands) > 1 and summed) or any(d in summed for d in channel_axes(joined)):
        raise p.unsupported(node, f"the equation {equation}")
    for d in summed:
        joined = joined.narrow(d, 0, 1)
    kept = [label for label in labels if label in result]
    joined = joined.reshape([joined.shape[labels.index(label)] for label in kept]) if summed else joined
    return joined.permute([kept.index(label) for label in result])
