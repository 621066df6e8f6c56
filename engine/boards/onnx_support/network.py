"""An ONNX file as a board would read it: its operators, and which values are stored in the file. No torch."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RequestError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

LARGEST = 2**31 - 1  # bytes; what protobuf reads in one piece
_LONGEST_SHOWN, _MOST_NAMED = 60, 6


@dataclass(frozen=True)
class Network:
    """A network that was read from one file; nested graphs count as part of it."""

    name: str  # of the file
    model: "ModelProto"
    nodes: tuple["NodeProto", ...]
    stored: Mapping[str, "TensorProto | None"]  # initialisers and Constant nodes; None for one that is no dense tensor
    makers: Mapping[str, "NodeProto"]  # of each computed value

    def operators(self) -> frozenset[str]:
        return frozenset(node.op_type for node in self.nodes)


def read_network(path: Path) -> Network:
    """The network in the file `path`; weights that lie beside it are not looked for.

    RequestError when it cannot be read, is no ONNX network or keeps values in other files.
    """
    model = _parse(path)
    if not model.graph.node or not model.opset_import:
        raise RequestError(f"{path.name} holds no ONNX network; only what a run exported can be timed")
    graphs = tuple(_graphs(model.graph))
    nodes = tuple(node for graph in graphs for node in graph.node)
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    _refuse_outside(path.name, [*tensors, *_attribute_tensors(nodes)])
    constants = {node.output[0]: _value(node) for node in nodes if node.op_type == "Constant" and node.output}
    return Network(
        path.name,
        model,
        nodes,
        {tensor.name: tensor for tensor in tensors} | constants,
        {output: node for node in nodes if node.op_type != "Constant" for output in node.output if output},
    )


def join_names(names: Iterable[str]) -> str:
    """Names out of a file, to stand in a sentence: a few of them, on one line."""
    shown = ["".join(c if c.isprintable() else "?" for c in name)[:_LONGEST_SHOWN] for name in names]
    more = len(shown) - _MOST_NAMED
    return ", ".join(shown[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _parse(path: Path) -> "ModelProto":
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        if path.stat().st_size > LARGEST:
            raise RequestError(f"{path.name} is larger than 2 GiB, the most that an ONNX file can hold in one piece")
        return onnx.load(str(path), format="protobuf", load_external_data=False)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}") from None
    except DecodeError:
        raise RequestError(f"{path.name} is no ONNX file; only what a run exported can be timed") from None


def _graphs(graph: "GraphProto") -> "Iterator[GraphProto]":
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _attribute_tensors(nodes: "Iterable[NodeProto]") -> "Iterator[TensorProto]":
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _value(node: "NodeProto") -> "TensorProto | None":
    return next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)


def _refuse_outside(name: str, tensors: "Iterable[TensorProto]") -> None:
    from onnx import TensorProto

    outside = [tensor for tensor in tensors if tensor.data_location == TensorProto.EXTERNAL]
    files = {entry.value for tensor in outside for entry in tensor.external_data if entry.key == "location"}
    if outside:
        raise RequestError(
            f"{name} keeps weights in {join_names(sorted(files)) or 'another file'}, and a board is sent one file: "
            "export the network with its weights inside"
        )
