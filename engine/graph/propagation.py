"""The state of one pass of identities through a graph, which the handlers in `rules` read and write."""

from typing import Any

import torch
from torch import Tensor, fx

from engine.graph.channel_ids import Affine, Identities, Layer, Padding, Trace, UnsupportedOperation, compact


class Propagation:
    """What has been handed out, joined and recorded so far."""

    def __init__(self, graph: fx.GraphModule, image: tuple[int, int, int]) -> None:
        self.graph = graph
        self.ids = Identities()
        self.layers: dict[str, Layer] = {}
        self.affines: dict[str, Affine] = {}
        self.paddings: dict[str, Padding] = {}
        channels = self.ids.fresh(image[0])
        self.image_channels = set(channels.tolist())
        self.image = channels[None, :, None, None].expand(1, *image)
        self.ids.frozen.append(channels)
        self._modules = dict(graph.named_modules())

    def module(self, node: fx.Node) -> Any:
        return self._modules[str(node.target)]

    def record(self, layer: Layer) -> Tensor:
        """Keep the layer and return its output identities; one that is called again reads and writes the same ones."""
        first = self.layers.setdefault(layer.name, layer)
        if first is not layer:
            self.ids.join(torch.from_numpy(first.ins), torch.from_numpy(layer.ins))
            first.positions += layer.positions
        return torch.from_numpy(first.outs)

    def channel_vector(self, x: Tensor, dim: int, node: fx.Node) -> Tensor:
        """The identities along axis `dim`, which must be the only one that carries channels."""
        small = compact(x)
        vector = small.movedim(dim, 0).reshape(x.shape[dim] if small.shape[dim] > 1 else 1, -1)
        if not bool((vector == vector[:, :1]).all()):
            raise self.unsupported(node, "channels that lie along more than one axis")
        return vector[:, 0].expand(x.shape[dim]).clone()

    def unsupported(self, node: fx.Node, what: str) -> UnsupportedOperation:
        """The refusal of an operation, by its name and the module that it is in."""
        stack = node.meta.get("nn_module_stack") or {"": ("the model itself", None)}
        place = list(stack.values())[-1][0] or "the model itself"
        name = self.module(node).__class__.__name__ if node.op == "call_module" else _target_name(node.target)
        return UnsupportedOperation(f"cannot follow channels through {name} in {place}: {what}")

    def finish(self, values: dict[fx.Node, Any]) -> Trace:
        """Everything recorded, in canonical identities; `values` are the outputs of the graph's nodes."""
        same = self.ids.canonical()
        table = same.numpy()
        for layer in self.layers.values():
            layer.ins, layer.outs = table[layer.ins], table[layer.outs]
        for affine in self.affines.values():
            affine.ids = table[affine.ids]
        for padding in self.paddings.values():
            padding.before, padding.after = table[padding.before], table[padding.after]
        frozen = frozenset(same[torch.cat(self.ids.frozen)].tolist())
        added = frozenset(same[torch.cat(self.ids.added)].tolist()) if self.ids.added else frozenset[int]()
        tensors = {node.name: same[compact(x)].expand(x.shape) for node, x in values.items() if isinstance(x, Tensor)}
        return Trace(self.graph, self.layers, self.affines, self.paddings, frozen, added, tensors)


def _target_name(target: Any) -> str:
    return target if isinstance(target, str) else getattr(target, "__name__", str(target))
