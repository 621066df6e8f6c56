"""Cutting a network, and the masked network that a cut must equal."""

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from engine.errors import WorkError
from engine.graph.channel_ids import Affine, Ids, Layer, Trace
from engine.surgery.masking import MaskedNetwork, MaskedNorm, MaskedReading

TOLERANCE = 1e-4  # of the largest logit


def remove_blocks(module: nn.Module, paths: Iterable[str]) -> None:
    """Put an identity in place of each submodule."""
    for path in paths:
        _put(module, path, nn.Identity())


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
    """A copy of full size in which nothing reads the dropped channels; the reference for `drop_channels`."""
    ids = np.array(sorted(dropped), dtype=np.int64)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for layer in trace.layers.values():
            if layer.kind != "depthwise":
                _leave_unread(twin.get_submodule(layer.name), layer, ids)
    called = {str(node.target) for node in trace.graph.graph.nodes if node.op == "call_module"}
    for affine in trace.affines.values():
        kept = _kept(affine.ids, ids)
        if affine.across and len(kept) < len(affine.ids) and affine.name in called:
            _put(twin, affine.name, MaskedNorm(twin.get_submodule(affine.name), kept, affine.dim))
    readings = masked_readings(trace, ids)
    return MaskedNetwork(_graph_of(twin, trace), readings) if readings else twin


def _graph_of(twin: nn.Module, trace: Trace) -> fx.GraphModule:
    """The traced graph on the modules of `twin`; constants that the forward makes are the graph's own."""
    for name, constant in trace.graph.named_buffers(recurse=False):
        if not hasattr(twin, name):
            setattr(twin, name, constant.cpu())
    return fx.GraphModule(twin, copy.deepcopy(trace.graph.graph))


def masked_readings(trace: Trace, dropped: Ids) -> dict[str, MaskedReading]:
    """For each function that reads dropped channels together with others, by its node: what it reads instead."""
    readings = {}
    for name, reader in trace.readers.items():
        kept = _kept(reader.ids, dropped)
        if len(kept) < len(reader.ids):
            readings[name] = MaskedReading(kept, reader.dim, len(reader.ids), reader.returns)
    return readings


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


def _put(root: nn.Module, path: str, module: nn.Module) -> None:
    """Put `module` in place of the one at `path`, under whatever names that is registered."""
    old = root.get_submodule(path)
    for parent in list(root.modules()):
        for name, child in list(parent._modules.items()):
            if child is old:
                setattr(parent, name, module)


def _kept(ids: Ids, dropped: Ids) -> Tensor:
    return torch.from_numpy(np.flatnonzero(~np.isin(ids, dropped, kind="table")))


def _leave_unread(module: Any, layer: Layer, dropped: Ids) -> None:
    """Zero what the layer makes of dropped channels; those of all groups go by position."""
    ins = layer.ins if layer.transposed else layer.ins[: len(layer.ins) // layer.groups]
    unread = torch.from_numpy(np.flatnonzero(np.isin(ins, dropped, kind="table")))
    module.weight[unread if layer.transposed else (slice(None), unread)] = 0


def _slice_layer(module: Any, layer: Layer, dropped: Ids) -> None:
    ins, outs = _kept(layer.ins, dropped), _kept(layer.outs, dropped)
    _replace(module, "weight", _sliced_weight(module.weight, layer, dropped, ins, outs))
    if layer.bias:
        _replace(module, "bias", module.bias[outs])
    groups = len(ins) if layer.kind == "depthwise" else layer.groups
    sizes = {
        "in_features": len(ins),
        "out_features": len(outs),
        "in_channels": len(ins),
        "out_channels": len(outs),
        "groups": groups,
    }
    _restate(module, sizes)


def _sliced_weight(weight: Tensor, layer: Layer, dropped: Ids, ins: Tensor, outs: Tensor) -> Tensor:
    """Inputs and outputs by their axes; the channels of all groups go by position, so the first group's say which."""
    if layer.kind == "depthwise":
        return weight[ins if layer.transposed else outs]
    if layer.transposed:
        return weight[ins][:, _kept(layer.outs[: len(layer.outs) // layer.groups], dropped)]
    return weight[outs][:, _kept(layer.ins[: len(layer.ins) // layer.groups], dropped)]


def _slice_affine(root: nn.Module, affine: Affine, kept: Tensor) -> None:
    if affine.kind == "constant":
        return
    if affine.kind == "parameter":
        parent, _, name = affine.name.rpartition(".")
        owner = root.get_submodule(parent)
        _replace(owner, name, getattr(owner, name).index_select(affine.dim, kept))
        return
    module: Any = root.get_submodule(affine.name)
    for name in ("weight", "bias", "running_mean", "running_var"):
        if getattr(module, name, None) is not None:
            _replace(module, name, getattr(module, name)[kept])
    sizes = {
        "num_features": len(kept),
        "num_channels": len(kept),
        "num_parameters": len(kept),
        "normalized_shape": (len(kept),),
    }
    if affine.kind == "group_norm" and not affine.across:  # whole groups go
        sizes["num_groups"] = module.num_groups * len(kept) // len(affine.ids)
    _restate(module, sizes)


def _restate(module: nn.Module, sizes: Mapping[str, Any]) -> None:
    """What a module says of its own size, where it says so."""
    for name, size in sizes.items():
        if hasattr(module, name):
            setattr(module, name, size)


def _replace(module: nn.Module, name: str, value: Tensor) -> None:
    """Replace a parameter or buffer, trainable or frozen as it was."""
    old = getattr(module, name)
    value = value.detach().clone(memory_format=torch.contiguous_format)
    setattr(module, name, nn.Parameter(value, old.requires_grad) if isinstance(old, nn.Parameter) else value)
