"""Weights that a checkpoint holds in parts, put together: pruning masks, weight norm and spectral norm."""

import re
from collections import Counter

import torch
from torch import Tensor

from engine.zoo.checkpoints.reading import State

MASKS = "masks of torch.nn.utils.prune applied"
WEIGHT_NORM = "weight norm put into plain weights"
SPECTRAL_NORM = "spectral norm put into plain weights"
_PARTS = re.compile(r"_(orig|mask|g|v|u)$|\.parametrizations\.")
_PARAMETRIZATION = re.compile(r"(.*?\.|)parametrizations\.(\w+)\.(.+)")


def has_parts(names: set[str]) -> bool:
    """Whether some of these names are of weights in parts."""
    return any(_PARTS.search(name) for name in names)


def fold(state: State) -> tuple[State, tuple[str, ...]]:
    """The state with plain weights for those in parts, and how many tensors that concerns, in words.

    ValueError, with a sentence's end, for a parametrization whose meaning is not known.
    """
    out = dict(state)
    folded: Counter[str] = Counter()
    for name in state:
        if name.endswith("_orig"):
            _fold_original(out, name.removesuffix("_orig"), folded)
        elif name.endswith("_g") and f"{name[:-2]}_v" in out:
            base = name.removesuffix("_g")
            out[base] = weight_norm(out.pop(name), out.pop(f"{base}_v"))
            folded[WEIGHT_NORM] += 1
    owners = dict.fromkeys(match[1] + match[2] for name in state if (match := _PARAMETRIZATION.fullmatch(name)))
    for owner in owners:
        _fold_parametrization(out, owner, folded)
    return out, tuple(f"{what} ({count} {'tensor' if count == 1 else 'tensors'})" for what, count in folded.items())


def _fold_original(out: State, base: str, folded: Counter[str]) -> None:
    """What `torch.nn.utils.prune` and the older spectral norm leave: the original beside a mask, or two vectors."""
    original, mask = out[f"{base}_orig"], out.get(f"{base}_mask")
    left, right = out.get(f"{base}_u"), out.get(f"{base}_v")
    if mask is not None and mask.shape == original.shape:
        out[base] = original * mask.to(original.dtype)
        folded[MASKS] += 1
    elif left is not None:
        out[base] = spectral_norm(original, left, right)
        folded[SPECTRAL_NORM] += 1
    else:
        return
    for part in ("orig", "mask", "u", "v"):
        out.pop(f"{base}_{part}", None)


def _fold_parametrization(out: State, owner: str, folded: Counter[str]) -> None:
    """What `torch.nn.utils.parametrizations` leaves of one tensor, under names of its own."""
    module, _, tensor = owner.rpartition(".")
    start = f"{module}.parametrizations.{tensor}." if module else f"parametrizations.{tensor}."
    parts = {name.removeprefix(start): out.pop(name) for name in list(out) if name.startswith(start)}
    if parts.keys() == {"original0", "original1"}:
        out[owner] = weight_norm(parts["original0"], parts["original1"])
        folded[WEIGHT_NORM] += 1
    elif parts.keys() == {"original", "0._u", "0._v"}:
        out[owner] = spectral_norm(parts["original"], parts["0._u"], parts["0._v"])
        folded[SPECTRAL_NORM] += 1
    else:
        raise ValueError(f"{owner} has a parametrization that is not known here ({', '.join(sorted(parts)[:4])})")


def weight_norm(length: Tensor, direction: Tensor) -> Tensor:
    """g · v / ‖v‖ (Salimans & Kingma 2016), the norm over all axes but the one that `length` has; ValueError."""
    if not (length.is_floating_point() and direction.is_floating_point()):
        raise ValueError("weight norm is of whole numbers")
    if length.numel() == 1 or length.dim() != direction.dim():
        norm = torch.linalg.vector_norm(direction)
    else:
        kept = [axis for axis, side in enumerate(length.shape) if side > 1]
        if any(length.shape[axis] != direction.shape[axis] for axis in kept):
            raise ValueError("weight norm has lengths of another shape than its directions")
        others = [axis for axis in range(direction.dim()) if axis not in kept]
        norm = torch.linalg.vector_norm(direction, dim=others, keepdim=True) if others else direction.abs()
    return torch.nan_to_num(length * direction / norm)


def spectral_norm(original: Tensor, left: Tensor, right: Tensor | None) -> Tensor:
    """W / uᵀ·W·v (Miyato et al. 2018), as in evaluation: with the vectors that were found in training; ValueError."""
    if right is not None and original.is_floating_point():
        u, v = (vector.to(original.dtype).flatten() for vector in (left, right))
        for axis in range(original.dim()):
            matrix = original.movedim(axis, 0).reshape(original.shape[axis], -1)
            if matrix.shape == (u.numel(), v.numel()):
                return original / torch.dot(u, torch.mv(matrix, v))
    raise ValueError("spectral norm lacks a vector, or has one of another length than its weight")
