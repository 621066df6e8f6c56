"""The names that TensorRT knows a network's operations by, and the module that each of them belongs to. No torch."""

import math
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engine.boards.onnx_support.network import Network, read_network

if TYPE_CHECKING:
    from onnx import NodeProto

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")  # that have weights
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_WEIGHT = ".weight"  # and what a quantizer puts behind it


@dataclass(frozen=True)
class Operation:
    """An operation of the network: its module ("" for the network's own code), its name there, and its ONNX operator.

    `place` counts the operations in the order of the file, in which each comes behind what it needs. `weights` says
    whether it is a layer as pruning knows them: a convolution, or a linear one. `channels` are how many it reads and
    how many it makes, None where it is no such layer, and `size` is how many numbers its weights are.
    """

    module: str
    name: str
    operator: str
    place: int
    weights: bool
    channels: tuple[int, int] | None = None
    size: int = 0

    @property
    def label(self) -> str:
        """What it is called for people: a layer by its module, all else with its own name, too."""
        return self.module if self.weights and self.module else f"{self.module} {self.name}".strip()


Known = Mapping[str, tuple[Operation, ...]]


@dataclass(frozen=True)
class Names:
    """Every name of one network that can be part of a name of TensorRT's, with the operations that it stands for."""

    operations: tuple[Operation, ...]
    known: Known

    @cached_property
    def flattened(self) -> "Names":
        """The same, too, by their names without dots, which Myelin replaces, but for those that are alike then."""
        alike = Counter(name.replace(".", "_") for name in self.known)
        flat = {key: own for name, own in self.known.items() if alike[key := name.replace(".", "_")] == 1}
        return Names(self.operations, {**flat, **self.known})

    def longest_at(self, text: str, begin: int, ends: Set[int]) -> str | None:
        """The longest name that stands at a place of a text and ends at one of `ends`; None where none does."""
        if text[begin : begin + 1] not in self._first:
            return None
        fitting = (text[begin : begin + length] for length in self._lengths if begin + length in ends)
        return next((name for name in fitting if name in self.known), None)

    @cached_property
    def _first(self) -> frozenset[str]:
        return frozenset(name[0] for name in self.known)

    @cached_property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(sorted({len(name) for name in self.known}, reverse=True))


def read_names(path: Path) -> Names:
    """The names in an ONNX file; RequestError when it cannot be read."""
    network = read_network(path)
    nodes = [node for node in network.nodes if node.op_type != "Constant"]
    uses = Counter(name for node in nodes for name in set(node.input))
    operations = tuple(_operation(node, place, network, uses) for place, node in enumerate(nodes))
    own = list(zip(nodes, operations, strict=True))
    stored = {tensor.name for tensor in network.model.graph.initializer}
    known: dict[str, tuple[Operation, ...]] = {
        entry.name: (Operation("", entry.name, "", -1, weights=False),)
        for entry in network.model.graph.input
        if entry.name not in stored
    }
    for node, operation in own:  # what TensorRT fuses with a quantized layer has the name of its weights
        known |= {name: (operation,) for name in node.input if name in stored and uses[name] == 1}
    for node, operation in own:
        known |= {name: (operation,) for output in node.output if output for name in (output, f"node_of_{output}")}
    known |= {node.name: (operation,) for node, operation in own if node.name}  # which says most, and so comes last
    return Names(operations, {name: operation for name, operation in known.items() if name})


def module_of(name: str) -> str:
    """The module in the name that torch's exporter gives a node: /layer1/layer1.0/conv1/Conv is of layer1.0.conv1.

    A part that goes on with the one before it, as those of sequences and lists do, stands in its place.
    """
    parts: list[str] = []
    for scope in name.strip("/").split("/")[:-1]:
        if parts and scope.startswith(f"{parts[-1]}."):
            parts[-1] = scope
        else:
            parts.append(scope)
    return ".".join(parts)


def _operation(node: "NodeProto", place: int, network: Network, uses: Mapping[str, int]) -> Operation:
    """A layer whose weights kept their name, and that no other operation shares, is called by that."""
    weights = _weights(node, network)
    named = [name for name in weights if _WEIGHT in name and uses[name] == 1]
    module = named[0].partition(_WEIGHT)[0] if named else module_of(node.name)
    name = node.name.rpartition("/")[2] or node.op_type
    stored = network.stored[weights[0]] if weights else None
    shape = () if stored is None else tuple(stored.dims)
    return Operation(
        module,
        name,
        node.op_type,
        place,
        weights=bool(weights),
        channels=_channels(node, shape),
        size=math.prod(shape) if shape else 0,
    )


def _channels(node: "NodeProto", weights: tuple[int, ...]) -> tuple[int, int] | None:
    """How many channels a layer reads and makes, by the shape of its weights; None for a shape of no layer."""
    if len(weights) < 2:
        return None
    values = {attribute.name: attribute.i for attribute in node.attribute}
    first, second, groups = weights[0], weights[1], values.get("group", 1)
    if node.op_type == "Conv":
        return second * groups, first
    if node.op_type == "ConvTranspose":
        return first, second * groups
    return (second, first) if values.get("transB") else (weights[-2], weights[-1])


def _weights(node: "NodeProto", network: Network) -> list[str]:
    """The stored values that a layer multiplies with, in 8 bit those that are quantized for it; none for all else."""
    if node.op_type not in _LAYERS:
        return []
    return [name for source in node.input[:2] if (name := _source(source, network)) in network.stored]


def _source(name: str, network: Network) -> str:
    """Where a value comes from, before it was quantized and dequantized."""
    for _ in _QUANTIZERS:
        maker = network.makers.get(name)
        if maker is not None and maker.op_type in _QUANTIZERS:
            name = maker.input[0]
    return name
