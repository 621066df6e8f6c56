"""What holds one parameter or a few per channel, as modules or as functions of a module's parameters."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from engine.graph.channel_ids import Affine, Reader
from engine.graph.propagation import Propagation, Weight
from engine.graph.rules.registry import function_rule, module_rule

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


@module_rule(*_BATCH_NORMS)
def batch_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    return _affine(p, node, args[0], "batch_norm", 1)


@module_rule(*_INSTANCE_NORMS)
def instance_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    """Each channel of each image is normalised by itself."""
    return _affine(p, node, args[0], "instance_norm", 1)


def layer_norm_2d(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    """Over the channels of a map: torchvision's."""
    return _affine(p, node, args[0], "layer_norm", 1, across=True)


@module_rule(nn.LayerNorm, nn.RMSNorm)
def layer_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    if len(p.module(node).normalized_shape) != 1:
        raise p.unsupported(node, "layer norm over more than the channel axis")
    return _affine(p, node, args[0], "layer_norm", args[0].dim() - 1, across=True)


@module_rule(nn.GroupNorm)
def group_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    """Channels go in whole groups; one by one where there is one group, which is then normalised over what is left."""
    groups = p.module(node).num_groups
    _tie_groups(p, node, args[0], groups)
    return _affine(p, node, args[0], "group_norm", 1, across=groups == 1)


@module_rule(nn.PReLU)
def prelu(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    if p.module(node).num_parameters == 1:
        p.record_constant(f"{node.target}.weight", 1)
        return args[0]  # type: ignore[no-any-return]
    return _affine(p, node, args[0], "prelu", 1)


@function_rule(F.batch_norm, F.instance_norm, weights=True)
def functional_batch_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    held = {**dict(zip(names, args[1:], strict=False)), **kwargs}
    kind = "batch_norm" if node.target is F.batch_norm else "instance_norm"
    return _functional(p, node, args[0], kind, 1, {name: held.get(name) for name in names})


@function_rule(F.layer_norm, F.rms_norm, weights=True)
def functional_layer_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    names = ("normalized_shape", "weight", "bias") if node.target is F.layer_norm else ("normalized_shape", "weight")
    held = {**dict(zip(names, args[1:], strict=False)), **kwargs}
    if len(tuple(held["normalized_shape"])) != 1:
        raise p.unsupported(node, "layer norm over more than the channel axis")
    parameters = {name: held.get(name) for name in ("weight", "bias")}
    raw = node.args[1] if len(node.args) > 1 else node.kwargs["normalized_shape"]
    written = isinstance(raw, list | tuple) and not any(isinstance(size, fx.Node) for size in raw)
    named = {"normalized_shape": tuple(held["normalized_shape"])} if written else {}
    return _functional(p, node, args[0], "layer_norm", args[0].dim() - 1, parameters, across=True, **named)


@function_rule(F.group_norm, weights=True)
def functional_group_norm(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    held = {**dict(zip(("num_groups", "weight", "bias"), args[1:], strict=False)), **kwargs}
    _tie_groups(p, node, args[0], held["num_groups"])
    parameters = {name: held.get(name) for name in ("weight", "bias")}
    groups = held["num_groups"]
    named = {"num_groups": groups} if groups > 1 else {}
    return _functional(p, node, args[0], "group_norm", 1, parameters, across=groups == 1, **named)


@function_rule(F.prelu, weights=True)
def functional_prelu(p: Propagation, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    weight = args[1] if len(args) > 1 else kwargs["weight"]
    if isinstance(weight, Weight) and weight.tensor.numel() == 1:
        p.record_constant(weight.name, int(weight.learned))
        return args[0]  # type: ignore[no-any-return]
    return _functional(p, node, args[0], "prelu", 1, {"weight": weight})


def _tie_groups(p: Propagation, node: fx.Node, x: Tensor, groups: int) -> None:
    """The channels that are normalised together go together."""
    if groups > 1:
        vector = p.channel_vector(x, 1, node)
        p.ids.tie(vector.reshape(groups, -1).unbind(1))


def _affine(p: Propagation, node: fx.Node, x: Tensor, kind: str, dim: int, *, across: bool = False) -> Tensor:
    """A module with a weight and a bias, or one of them, or none."""
    module = p.module(node)
    ids = p.channel_vector(x, dim, node)
    params = sum(isinstance(getattr(module, name, None), nn.Parameter) for name in ("weight", "bias"))
    p.record_affine(Affine(str(node.target), kind, ids.numpy(), dim, params, across), node)
    return x


def _functional(
    p: Propagation, node: fx.Node, x: Any, kind: str, dim: int, held: dict[str, Any], across: bool = False, **named: Any
) -> Tensor:
    """A function of an activation and of what one module holds: that module is cut as a norm of this kind is.

    `named` are the sizes that the call names; they change with a cut where the module has them as its attributes.
    """
    ids = p.channel_vector(p.as_ids(x, node), dim, node)
    weights = {name: value for name, value in held.items() if value is not None}
    owners = {value.owner for value in weights.values() if isinstance(value, Weight)}
    if len(owners) > 1 or any(
        not isinstance(value, Weight) or value.name.rpartition(".")[2] != name for name, value in weights.items()
    ):
        raise p.unsupported(node, "what it scales with is not held by one module under the usual names")
    if across:
        p.readers[node.name] = Reader(ids.numpy(), dim, returns=True)
    owner = owners.pop() if owners else None
    if any(getattr(p.held_by(owner), name, None) != size for name, size in named.items()):
        p.keep(x, node, "names its channels or groups")
    if owner is not None:
        p.owners[node.name] = owner
        params = sum(value.learned for value in weights.values())
        p.record_affine(Affine(owner, kind, ids.numpy(), dim, params, across), node)
    return x  # type: ignore[no-any-return]
