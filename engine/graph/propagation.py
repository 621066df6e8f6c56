"""The state of one pass of identities through a network, which the handlers in `rules` read and write."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn

from engine.graph.channel_ids import (
    Affine,
    Identities,
    Layer,
    Padding,
    Reader,
    Trace,
    UnsupportedOperation,
    channel_axes,
    compact,
    distinct,
    spread,
)
from engine.graph.source import line_of_network

_BATCH = 2  # images: what happens to a batch of one does not happen to others


@dataclass(frozen=True)
class Weight:
    """A parameter, buffer or constant by its name in the network, before anything says which of its axes is which."""

    name: str
    tensor: Tensor
    lasting: bool  # False for one that the forward makes anew each time: it cannot be cut

    @property
    def owner(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def learned(self) -> bool:
        return isinstance(self.tensor, nn.Parameter)


class Propagation:
    """What has been handed out, joined and recorded so far."""

    def __init__(self, root: nn.Module, image: tuple[int, int, int]) -> None:
        self.root = root
        self.ids = Identities()
        self.layers: dict[str, Layer] = {}
        self.affines: dict[str, Affine] = {}
        self.paddings: dict[str, Padding] = {}
        self.readers: dict[str, Reader] = {}
        self.owners: dict[str, str] = {}
        channels = self.ids.fresh(image[0])
        self.image_channels = set(channels.tolist())
        self.image = channels[None, :, None, None].expand(_BATCH, *image)
        self.ids.frozen.append(channels)
        self.from_image: set[fx.Node] = set()  # nodes whose values depend on the image
        self.values: dict[fx.Node, Any] = {}  # what each node gives
        self._kept: list[tuple[Tensor, str]] = []  # identities that stay, and why
        self._never = self.ids.fresh(1)  # the identity of what is there whatever is cut
        self.ids.frozen.append(self._never)
        self._modules = dict(root.named_modules())
        self._used: set[str] = set()  # parameters that handlers have met

    def module(self, node: fx.Node) -> Any:
        return self._modules[str(node.target)]

    def held_by(self, path: str | None) -> Any:
        """The module at a path; None for no path."""
        return None if path is None else self._modules[path]

    def record(self, layer: Layer) -> Tensor:
        """Keep the layer and return its output identities; one that is called again reads and writes the same ones."""
        first = self.layers.setdefault(layer.name, layer)
        if first is not layer:
            self.ids.join(torch.from_numpy(first.ins), torch.from_numpy(layer.ins))
            self.ids.join(torch.from_numpy(first.outs), torch.from_numpy(layer.outs))
            first.positions += layer.positions
        return torch.from_numpy(first.outs)

    def record_affine(self, affine: Affine, node: fx.Node) -> None:
        """Keep what holds numbers per channel; where it is met again, the channels there are the same ones."""
        first = self.affines.setdefault(affine.name, affine)
        if first is affine:
            return
        if (first.dim, len(first.ids), first.params) != (affine.dim, len(affine.ids), affine.params):
            raise self.unsupported(node, f"{affine.name} meets channels along different axes")
        self.ids.join(torch.from_numpy(first.ids), torch.from_numpy(affine.ids))

    def record_constant(self, name: str, numbers: int) -> None:
        """Keep `numbers` learned numbers that stay, whatever is cut."""
        if numbers:
            self.affines.setdefault(name, Affine(name, "constant", self._never.numpy(), 0, numbers))

    def as_ids(self, value: Tensor | Weight, node: fx.Node) -> Tensor:
        """Identities as they are; those of a bare parameter along its one axis, which joins the channels it meets."""
        if isinstance(value, Tensor):
            return value
        axes = [d for d, size in enumerate(value.tensor.shape) if size > 1]
        if len(axes) > 1:
            owner = self._modules.get(value.owner)
            raise self.unsupported(node, f"{type(owner).__name__} changes {value.name} before it is used")
        return self.bare_ids(value, axes[0] if axes else None, node)

    def bare_ids(self, weight: Weight, dim: int | None, node: fx.Node) -> Tensor:
        """Identities of a bare parameter whose axis `dim` carries channels; None: it has none, and ties nothing."""
        shape, learned = weight.tensor.shape, weight.tensor.numel() if weight.learned else 0
        if dim is None:
            self.record_constant(weight.name, learned)
            return self._never[0].expand(shape)
        ids = self.ids.fresh(shape[dim])
        if weight.lasting:
            affine = Affine(weight.name, "parameter", ids.numpy(), dim, learned // shape[dim])
            self.record_affine(affine, node)
        else:
            self.keep(ids, node, "meets a constant that the forward makes anew")
        return spread(ids, dim, shape)

    def channel_vector(self, x: Tensor, dim: int, node: fx.Node) -> Tensor:
        """The identities along axis `dim`, which must be the only one that carries channels."""
        small = compact(x)
        vector = small.movedim(dim, 0).reshape(x.shape[dim] if small.shape[dim] > 1 else 1, -1)
        if not bool((vector == vector[:, :1]).all()):
            raise self.unsupported(node, "channels lie along another axis than the one it works on")
        return vector[:, 0].expand(x.shape[dim]).clone()

    def meet(self, a: Tensor, b: Tensor, node: fx.Node) -> Tensor:
        """State that two tensors that are added or multiplied have the same channels; what is broadcast ties none.

        A tensor of one channel meets all channels of the other and must therefore stay; so must a learned scalar.
        """
        dims = max(a.dim(), b.dim())
        a, b = (x.reshape(*[1] * (dims - x.dim()), *x.shape) for x in (a, b))
        axes_a, axes_b = channel_axes(a), channel_axes(b)
        if len(axes_a) == len(axes_b) == 1 and axes_a != axes_b:
            raise self.unsupported(node, "it combines every channel with every other")
        for single, other, axes in ((a, b, axes_b), (b, a, axes_a)):
            alone = single.numel() == 1 or (
                len(axes) == 1 and (single.shape[axes[0]] == 1 or single.stride(axes[0]) == 0)
            )
            if alone and not channel_axes(single):
                self.ids.frozen.append(compact(single).flatten())
                return other.expand(torch.broadcast_shapes(a.shape, b.shape))  # type: ignore[no-untyped-call]
        joined = self.ids.join(a, b)
        return joined if axes_a else b.expand(joined.shape)

    def keep(self, x: Tensor, node: fx.Node, what: str) -> None:
        """State that these channels all stay, as the code fixes their number; `what` says what it does to them."""
        if distinct(x) - self.image_channels:
            self._kept.append((compact(x).flatten(), f"{target_name(node)} {what}{line_of_network()}"))
        self.ids.frozen.append(compact(x).flatten())

    def measured_channels(self, node: fx.Node) -> list[Tensor]:
        """The activations whose number of channels a node computes with."""
        found, open_nodes, seen = [], [node], {node}
        while open_nodes:
            current = open_nodes.pop()
            asked = self._asked(current)
            if asked is not None:
                x, axes = asked
                if set(axes) & set(channel_axes(x)):
                    found.append(x)
                continue
            sizes = [n for n in current.all_input_nodes if not isinstance(self.values.get(n), Tensor | Weight)]
            open_nodes += [n for n in sizes if n not in seen]
            seen.update(sizes)
        return found

    def _asked(self, node: fx.Node) -> tuple[Tensor, list[int]] | None:
        """The activation that a node asks for its shape, or for sizes of it, and the axes that it asks for."""
        if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
            asked, index = self._asked(node.args[0]), node.args[1]
            if asked is None or not isinstance(index, int | slice):
                return asked
            axes = asked[1][index]
            return asked[0], axes if isinstance(axes, list) else [axes]
        asks = node.target in ("size", "numel", "nelement") or (node.target is getattr and node.args[1] == "shape")
        x = self.values.get(node.all_input_nodes[0]) if asks else None
        if not isinstance(x, Tensor):
            return None
        one = node.args[1] if node.target == "size" and len(node.args) > 1 else None
        return x, [one % x.dim()] if isinstance(one, int) else list(range(x.dim()))

    def mix(self, x: Tensor, dims: Sequence[int], node: fx.Node, *, returns: bool) -> Tensor:
        """What reads all of `x` along axes `dims` at once makes of it: axes of size 1 where they are not returned.

        Positions are read freely; where channels are, the masked network reads those that are left.
        """
        axes = channel_axes(x)
        met = [d for d in dims if d in axes]
        if met and len(axes) == 1:
            vector = self.channel_vector(x, axes[0], node)
            self.readers[node.name] = Reader(vector.numpy(), axes[0], returns)
        elif met:
            self.keep(x, node, "reads channels along several axes")
        if returns:
            return x
        for d in dims:
            x = x.narrow(d, 0, 1)
        return self._never.expand(x.shape) if met and len(axes) == 1 else x

    def unsupported(self, node: fx.Node, what: str) -> UnsupportedOperation:
        """The refusal of an operation, by its name, the module that it is in, and the line of the network's code."""
        stack = node.meta.get("nn_module_stack") or {"": ("the model itself", None)}
        place = list(stack.values())[-1][0] or "the model itself"
        name = type(self.module(node)).__name__ if node.op == "call_module" else target_name(node)
        return UnsupportedOperation(f"cannot follow channels through {name} in {place}: {what}{line_of_network()}")

    def finish(self, graph: fx.GraphModule) -> Trace:
        """Everything recorded, in canonical identities."""
        self._record_unmet()
        same = self.ids.canonical()
        table = same.numpy()
        for layer in self.layers.values():
            layer.ins, layer.outs = table[layer.ins], table[layer.outs]
        for affine in self.affines.values():
            affine.ids = table[affine.ids]
        for reader in self.readers.values():
            reader.ids = table[reader.ids]
        for padding in self.paddings.values():
            padding.before, padding.after = table[padding.before], table[padding.after]
        frozen = frozenset(same[torch.cat(self.ids.frozen)].tolist())
        added = frozenset(same[torch.cat(self.ids.added)].tolist()) if self.ids.added else frozenset[int]()
        tensors = {
            node.name: same[compact(x)].expand(x.shape) for node, x in self.values.items() if isinstance(x, Tensor)
        }
        notes = self._notes(same)
        return Trace(
            graph,
            self.layers,
            self.affines,
            self.paddings,
            frozen,
            added,
            tensors,
            self.readers,
            self.owners,
            notes,
        )

    def _record_unmet(self) -> None:
        """Parameters that the forward does not meet in evaluation mode stay as they are, and count."""
        met = {*self.affines} | {
            f"{path}.{name}".lstrip(".") for path in (*self.layers, *self.affines) for name in _HELD
        }
        for name, parameter in self.root.named_parameters():
            if name not in met:
                self.record_constant(name, parameter.numel())

    def _notes(self, same: Tensor) -> tuple[str, ...]:
        """Which layers keep channels because the network's code names their number; how group norms go."""
        notes = []
        for ids, why in self._kept:
            stay = set(same[ids].tolist())
            layers = [layer.name for layer in self.layers.values() if not stay.isdisjoint(layer.outs.tolist())]
            if layers:
                shown = ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")
                notes.append(f"channels of {shown} stay: {why}")
        if any(affine.kind == "group_norm" and not affine.across for affine in self.affines.values()):
            notes.append("channels under group norm go in whole groups, and the number of groups shrinks with them")
        return tuple(dict.fromkeys(notes))


_HELD = ("weight", "bias")  # what layers and norms hold


def target_name(node: fx.Node) -> str:
    """What the operation of a node is called."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))


def positions(shape: Sequence[int]) -> int:
    """The positions per image of an activation of shape N×C×…"""
    return prod(shape[2:])
