"""From the name of a kernel of ONNX Runtime's to the operations of the network that it stands for. Pure.

ONNX Runtime fuses nodes and writes others into their place: "/layer1/conv2/Conv" goes on as a FusedConv of that name,
or by the name of its output and "_nchwc" where the blocked kernels take it, "/conv1/Conv_token_1" in 8 bit, and
"/fc/MatMul/MatMulAddFusion" as a Gemm. What brings values into another layout is new and has no name of the network's.
"""

import re
from collections.abc import Sequence

from engine.boards.layers.matching import Match
from engine.boards.layers.names import Names, Operation
from engine.boards.onnx_support.network import Network
from engine.latency.layers.events import KernelTimes

_COPIES = ("ReorderInput", "ReorderOutput", "QuantizeLinear", "DequantizeLinear", "Cast", "Memcpy")
_NEW_COPIES = ("Transpose",)  # where no operation of the network has the name
_WITH_WEIGHTS = re.compile(r"Conv|Gemm|MatMul")  # in the operators that a layer may become
_ADDED = re.compile(r"_nchwc$|_token_[0-9]+$")


def match_kernels(kernels: Sequence[KernelTimes], names: Names, network: Network) -> list[Match]:
    """What each kernel stands for; a layer that goes on by the name of its activation is found from there."""
    finder = _Finder(names, network)
    return [finder.match(kernel) for kernel in kernels]


class _Finder:
    def __init__(self, names: Names, network: Network) -> None:
        self._known = names.known
        self._nodes = [node for node in network.nodes if node.op_type != "Constant"]  # as the names count them
        self._by_output = {
            output: operation
            for operation, node in zip(names.operations, self._nodes, strict=True)
            for output in node.output
        }

    def match(self, kernel: KernelTimes) -> Match:
        found = self._find(kernel.name)
        if kernel.operator in _COPIES or (kernel.operator in _NEW_COPIES and not found):
            return Match(self._layers_of(found), copy=True)
        is_layer = _WITH_WEIGHTS.search(kernel.operator) is not None
        if is_layer and not any(_WITH_WEIGHTS.search(each.operator) for each in found):
            found = self._layers_of(found) or found
        return Match(found, copy=False)

    def _find(self, name: str) -> tuple[Operation, ...]:
        """The operations that a name stands for, less what ONNX Runtime has put behind it."""
        while name:
            if name in self._known:
                return self._known[name]
            shorter = _ADDED.sub("", name)
            name = shorter if shorter != name else name.rpartition("/")[0]
        return ()

    def _layers_of(self, operations: Sequence[Operation]) -> tuple[Operation, ...]:
        """The layer among some operations, or else the nearest one before them, through what has no weights."""
        waiting, seen = list(operations), set[int]()
        while waiting:
            operation = waiting.pop(0)
            if operation.weights:
                return (operation,)
            seen.add(operation.place)
            waiting += [before for before in self._before(operation) if before.place not in seen]
        return ()

    def _before(self, operation: Operation) -> list[Operation]:
        if operation.place < 0:  # an input of the network
            return []
        node = self._nodes[operation.place]
        return [self._by_output[name] for name in node.input if name in self._by_output]
