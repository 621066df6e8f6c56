"""What the ONNX parser of TensorRT before 8.5 requires of operators that it lists. No torch.

The restrictions are those of its operator table (see `operators`) and of the checks in its importers that networks for
images can fail: the parser takes a value for constant when it is an initialiser or comes from a Constant node, and for
computed when anything else lies between, be it an Identity. https://github.com/pytorch/pytorch/issues/89965 shows that
for the bias of a Conv.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from engine.boards.onnx_support.network import Network, join_names

if TYPE_CHECKING:
    from onnx import NodeProto

HOLD_BEFORE = (8, 5)

_CONVOLUTION = {1: "weights", 2: "bias"}
_STORED_INPUTS: dict[str, dict[int, str]] = {
    "Conv": _CONVOLUTION,
    "ConvTranspose": _CONVOLUTION,
    "CumSum": {1: "axis"},
    "InstanceNormalization": {1: "scale", 2: "bias"},
    "NonMaxSuppression": {2: "number of boxes", 3: "IoU threshold", 4: "score threshold"},
    "Resize": {2: "scales"},
    "Slice": {3: "axes"},
    "Squeeze": {1: "axes"},
    "TopK": {1: "K"},
    "Unsqueeze": {1: "axes"},
}
_RESIZE: dict[str, tuple[str, ...]] = {
    "mode": ("nearest", "linear"),
    "coordinate_transformation_mode": (
        "half_pixel",
        "pytorch_half_pixel",
        "tf_half_pixel_for_nn",
        "asymmetric",
        "align_corners",
    ),
    "nearest_mode": ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
}
_POOLS = ("AveragePool", "MaxPool")
_WITH_KERNEL = ("Conv", "ConvTranspose", *_POOLS)
_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")


def find_violations(network: Network) -> Iterator[str]:
    """Each restriction that the network breaks, in words that name the node and what is allowed."""
    for node in network.nodes:
        for check in _CHECKS:
            yield from check(network, node)


def _computed_inputs(network: Network, node: "NodeProto") -> Iterator[str]:
    for place, role in _STORED_INPUTS.get(node.op_type, {}).items():
        source = node.input[place] if place < len(node.input) else ""
        is_weight = node.op_type.startswith("Conv") and place == 1
        if source and not (source in network.stored or (is_weight and _stored_in_8_bit(network, source))):
            maker = network.makers.get(source)
            origin = join_names([maker.op_type]) if maker else "the network's input"
            yield f"the {role} of {_title(node)} would come from {origin}, and must be a constant of the file"


def _stored_in_8_bit(network: Network, source: str) -> bool:
    """Whether a weight is a constant behind QuantizeLinear and DequantizeLinear, as in a quantised network."""
    maker = network.makers.get(source)
    if maker is None or maker.op_type not in _QUANTISERS:
        return False
    return maker.input[0] in network.stored or _stored_in_8_bit(network, maker.input[0])


def _resizing(_: Network, node: "NodeProto") -> Iterator[str]:
    if node.op_type == "Resize":
        for name, allowed in _RESIZE.items():
            if (value := _attribute(node, name)) is not None and value.decode(errors="replace") not in allowed:
                shown = join_names([value.decode(errors="replace")])
                yield f"{_title(node)} has the {name} {shown}, and only {', '.join(allowed)} are allowed"


def _zero_points(network: Network, node: "NodeProto") -> Iterator[str]:
    if node.op_type in _QUANTISERS:
        from onnx import numpy_helper

        stored = network.stored.get(node.input[2]) if len(node.input) == 3 else None
        if stored is None or numpy_helper.to_array(stored).any():
            yield f"{_title(node)} has a zero point that is not stored as 0, the only one allowed"


def _kernels(_: Network, node: "NodeProto") -> Iterator[str]:
    kernel = _attribute(node, "kernel_shape") if node.op_type in _WITH_KERNEL else None
    if kernel is not None and len(kernel) not in (2, 3):
        yield f"{_title(node)} has a kernel of {len(kernel)} dimensions, and only 2 or 3 are allowed"


def _pools(_: Network, node: "NodeProto") -> Iterator[str]:
    if node.op_type not in _POOLS:
        return
    if any(step != 1 for step in _attribute(node, "dilations") or ()):
        yield f"{_title(node)} is dilated, and pools must not be"
    if len(node.output) > 1 and node.output[1]:
        yield f"{_title(node)} also gives indices, which is not allowed"


def _constants(network: Network, node: "NodeProto") -> Iterator[str]:
    if node.op_type == "Constant" and network.stored.get(node.output[0]) is None:
        yield f"{_title(node)} is not stored as a dense tensor, the only form allowed"


_CHECKS: tuple[Callable[[Network, "NodeProto"], Iterator[str]], ...] = (
    _computed_inputs,
    _resizing,
    _zero_points,
    _kernels,
    _pools,
    _constants,
)


def _title(node: "NodeProto") -> str:
    return join_names([f"{node.op_type} {node.name or next(iter(node.output), '')}".rstrip()])


def _attribute(node: "NodeProto", name: str) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), None)
