"""Cutting a network, and the masked network that a cut must equal."""

import copy
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import WorkError
from engine.graph.channel_ids import Affine, Ids, Layer, Trace
from engine.surgery.masking import MaskedLayerNorm

TOLERANCE = 1e-4  # of the largest logit


def remove_blocks(module: nn.Module, paths: Iterable[str]) -> None:
    """Put an identity in place of each submodule."""
    for path in paths:
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, nn.Identity())


def drop_channels(module: nn.Module, trace: Trace, dropped: frozenset[int]) -> None:
    """Slice every parameter and buffer by membership, in place; what is kept keeps its values bit for bit."""
    ids = np.array(sorted(dropped), dtype=np.int64)
    with torch.no_grad():
        for layer in trace.layers.values():
            _slice_layer(module.get_submodule(layer.name), layer, ids)
        for affine in trace.affines.values():
            _slice_affine(module, affine, _kept(affine.ids, ids))
        for padding in trace.paddings.values():
            shortcut: Any = module.get_submodule(padding.name)
            shortcut.before, shortcut.after = len(_kept(padding.before, ids)), len(_kept(padding.after, ids))


def masked_copy(module: nn.Module, trace: Trace, dropped: frozenset[int]) -> nn.Module:
    """A copy of full size in which no layer reads the dropped channels; the reference for `drop_channels`."""
    ids = np.array(sorted(dropped), dtype=np.int64)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for layer in trace.layers.values():
            if layer.kind != "depthwise":
                unread = np.flatnonzero(np.isin(layer.ins[: len(layer.ins) // layer.groups], ids))
                twin.get_submodule(layer.name).weight[:, torch.from_numpy(unread)] = 0  # type: ignore[operator]
        for affine in trace.affines.values():
            kept = _kept(affine.ids, ids)
            if affine.kind == "layer_norm" and len(kept) < len(affine.ids):
                parent, _, name = affine.name.rpartition(".")
                norm: Any = twin.get_submodule(affine.name)
                setattr(twin.get_submodule(parent), name, MaskedLayerNorm(norm, kept, affine.dim))
    return twin


def bypassed_copy(module: nn.Module, paths: Collection[str]) -> nn.Module:
    """A copy in which each of the submodules hands its input on; the reference for `remove_blocks`."""
    twin = copy.deepcopy(module)
    for path in paths:
        twin.get_submodule(path).register_forward_hook(lambda _module, inputs, _output: inputs[0])
    return twin


def check_equal(reference: nn.Module, cut: nn.Module, images: Tensor) -> float:
    """The largest difference between two networks' outputs relative to the largest logit; WorkError above TOLERANCE."""
    with torch.inference_mode():
        expected, got = reference.eval()(images), cut.eval()(images)
    error = float((expected - got).abs().max() / expected.abs().max().clamp_min(1e-12))
    if not error <= TOLERANCE:  # nan fails, too
        raise WorkError(f"the cut network differs from the masked one by {error:.1e} of its largest output")
    return error


def _kept(ids: Ids, dropped: Ids) -> Tensor:
    return torch.from_numpy(np.flatnonzero(~np.isin(ids, dropped)))


def _slice_layer(module: Any, layer: Layer, dropped: Ids) -> None:
    ins, outs = _kept(layer.ins, dropped), _kept(layer.outs, dropped)
    weight = module.weight[outs]
    if layer.kind != "depthwise":
        # The channels of all groups go by position, so the first group's say what each group reads.
        weight = weight[:, _kept(layer.ins[: len(layer.ins) // layer.groups], dropped)]
    _replace(module, "weight", weight)
    if layer.bias:
        _replace(module, "bias", module.bias[outs])
    if layer.kind == "linear":
        module.in_features, module.out_features = len(ins), len(outs)
    else:
        module.in_channels, module.out_channels = len(ins), len(outs)
        module.groups = len(ins) if layer.kind == "depthwise" else layer.groups


def _slice_affine(root: nn.Module, affine: Affine, kept: Tensor) -> None:
    if affine.kind == "parameter":
        parent, _, name = affine.name.rpartition(".")
        owner = root.get_submodule(parent)
        _replace(owner, name, getattr(owner, name).index_select(affine.dim, kept))
        return
    module: Any = root.get_submodule(affine.name)
    for name in ("weight", "bias", "running_mean", "running_var"):
        if getattr(module, name, None) is not None:
            _replace(module, name, getattr(module, name)[kept])
    size = {"batch_norm": "num_features", "layer_norm": "normalized_shape", "prelu": "num_parameters"}[affine.kind]
    setattr(module, size, (len(kept),) if affine.kind == "layer_norm" else len(kept))


def _replace(module: nn.Module, name: str, value: Tensor) -> None:
    """Replace a parameter or buffer, trainable or frozen as it was."""
    old = getattr(module, name)
    value = value.detach().clone(memory_format=torch.contiguous_format)
    setattr(module, name, nn.Parameter(value, old.requires_grad) if isinstance(old, nn.Parameter) else value)
