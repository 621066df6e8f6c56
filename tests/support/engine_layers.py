"""What TensorRT makes of a network's layers, by the names that it gives them: fused, copied, compiled by Myelin.

The rules are those that published profiles of ResNets, MobileNets and YOLOs show, from TensorRT 8.0 to 10: activations
and additions go into the convolution before them, pointwise operations that are no ReLU stand in PWN(…), the same
convolutions side by side are one layer, and copies into another layout are named by the layer that they are for.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

Version = tuple[int, ...]
VERSIONS: tuple[Version, ...] = ((8, 0, 1), (8, 2, 1), (8, 4, 1), (8, 6, 1), (10, 2, 0))
_POINTWISE = ("Clip", "Sigmoid", "Mul", "HardSwish", "HardSigmoid", "Div")


@dataclass(frozen=True)
class EngineLayer:
    """A layer of an engine: its name, its milliseconds, and the ONNX nodes that it was made of; a copy is of none."""

    name: str
    ms: float
    nodes: tuple[str, ...] = ()


def engine_layers(file: Path, version: Version) -> list[EngineLayer]:
    """The layers of the engine that TensorRT of a version would make of a convolutional network."""
    graph = onnx.load(str(file)).graph
    groups = _fused([node for node in graph.node if node.op_type != "Constant"])
    chance = random.Random(0)
    layers: list[EngineLayer] = []
    for number, group in enumerate(groups):
        name, nodes = _name(group), tuple(node.name for node in group)
        if number % 7 == 0:
            layers.append(EngineLayer(f"Reformatting CopyNode for Input Tensor 0 to {name}", 0.004))
        if number % 5 == 2:
            layers.append(EngineLayer(f"Reformatting CopyNode for Input Tensor 0 to {name}", 0.0))
        if group[0].op_type == "Gemm":
            layers += _linear(name, nodes, version)
        else:
            layers.append(EngineLayer(name, round(0.02 + 0.1 * chance.random(), 6), nodes))
    return _tail_by_myelin(layers, groups) if version >= (10,) else layers


def rows(layers: Sequence[EngineLayer]) -> list[tuple[str, float]]:
    """As the stand-in for trtexec takes them."""
    return [(layer.name, layer.ms) for layer in layers]


def _fused(nodes: list[onnx.NodeProto]) -> list[list[onnx.NodeProto]]:
    """The nodes in groups, each of which becomes one layer."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(node)
    groups: list[list[onnx.NodeProto]] = []
    done: set[str] = set()
    for node in nodes:
        if node.name in done or node.op_type == "Flatten":
            continue
        group = [node]
        while node.op_type in ("Conv", *_POINTWISE, "Add", "Gemm") and (after := _next(group[-1], users, done)):
            group.append(after)
        done |= {each.name for each in group}
        groups.append(group)
    return groups


def _next(node: onnx.NodeProto, users: dict[str, list[onnx.NodeProto]], done: set[str]) -> onnx.NodeProto | None:
    """What goes into the same layer: the one reader of its output, if that is an activation or an addition."""
    readers = users.get(node.output[0], [])
    if len(readers) != 1 or readers[0].name in done:
        return None
    return readers[0] if readers[0].op_type in ("Relu", "Add", *_POINTWISE) else None


def _name(group: Sequence[onnx.NodeProto]) -> str:
    return " + ".join(f"PWN({node.name})" if node.op_type in _POINTWISE else node.name for node in group)


def _linear(name: str, nodes: tuple[str, ...], version: Version) -> list[EngineLayer]:
    """Up to 8.2 a shuffle without a name stands before it; later versions make a convolution of it."""
    if version < (8, 4):
        return [EngineLayer("(Unnamed Layer* 58) [Shuffle]", 0.003), EngineLayer(name, 0.02, nodes)]
    return [
        EngineLayer(f"reshape_before_{name}", 0.0),
        EngineLayer(name, 0.02, nodes),
        EngineLayer(f"reshape_after_{name}", 0.0),
        EngineLayer(f"copied_squeeze_after_{name}", 0.001),
    ]


def _tail_by_myelin(layers: list[EngineLayer], groups: Sequence[Sequence[onnx.NodeProto]]) -> list[EngineLayer]:
    """From 10 on, pooling and what follows are Myelin's: one node, and kernels with and without names."""
    tail = [node.name for group in groups for node in group][-2:]
    head = [layer for layer in layers if not layer.nodes or layer.nodes[0] not in tail]
    kernel = f"{tail[-1].replace('.', '_')}_myl1_0"
    kept = [layer for layer in head if not any(name in layer.name for name in tail)]
    foreign = EngineLayer(f"{{ForeignNode[{tail[0]}...{tail[-1]}]}}", 0.03, tuple(tail))
    return [*kept, foreign, EngineLayer(kernel, 0.01, (tail[-1],)), EngineLayer("__myl_MoveCast_myl1_1", 0.004)]
