"""Whether a board can read an exported network at all, checked before anything is sent to it. No torch."""

from pathlib import Path

from engine.boards.onnx_support import operators, restrictions
from engine.boards.onnx_support.network import Network, join_names, read_network
from engine.boards.onnx_support.operators import Limits, Version
from engine.errors import RequestError

# The board as `probe` names it, its name in words, and the compute capability of its GPU.
WITHOUT_INT8 = {"tx2": ("Jetson TX2", "6.2"), "nano": ("Jetson Nano", "5.3"), "tk1": ("Jetson TK1", "3.2")}
_STANDARD = ("", "ai.onnx")  # the two names of ONNX's own operators
_8_BIT = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
_8_BIT_PREFIXES = ("QLinear", "ConvInteger", "MatMulInteger")


def refuse_unfit(
    path: Path, *, tensorrt: Version | None, onnxruntime: Version | None, jetson: str | None = None
) -> None:
    """RequestError, one sentence that names what does not fit, when the tool that is to time `path` cannot read it.

    `tensorrt` and `onnxruntime` are the versions of the tools that will read the file, None for one that will not.
    `jetson` is the board as `probe` names it: TensorRT has no 8 bit arithmetic on some of them. What passes may still
    fail on the board, for its memory or for shapes that only the tool's own parser works out.
    """
    network = read_network(path)
    _refuse_foreign(network)
    if tensorrt is not None:
        _refuse_for_tensorrt(network, tensorrt, jetson)
    if onnxruntime is not None:
        limits = operators.find_limits(operators.ONNXRUNTIME, operators.NEWEST_ONNXRUNTIME, onnxruntime)
        _refuse_version(network, _title("ONNX Runtime", onnxruntime), limits)


def image_shape(path: Path) -> tuple[int, int, int]:
    """(channels, height, width) of the images that a network takes; RequestError unless it takes one batch of them."""
    network = read_network(path)
    stored = {tensor.name for tensor in network.model.graph.initializer}
    inputs = [entry for entry in network.model.graph.input if entry.name not in stored]
    shape = [side.dim_value for entry in inputs for side in entry.type.tensor_type.shape.dim]
    if len(inputs) != 1 or len(shape) != 4 or min(shape[1:]) < 1:
        raise RequestError(f"{network.name} does not take one batch of images of a fixed size, so it cannot be timed")
    return shape[1], shape[2], shape[3]


def _refuse_foreign(network: Network) -> None:
    used = {f"{node.domain}.{node.op_type}" for node in network.nodes if node.domain not in _STANDARD}
    if used:
        raise RequestError(
            f"{network.name} uses {join_names(sorted(used))}, and boards know ONNX's own operators alone; "
            "export the network without them"
        )
    imports = [
        f"{entry.domain} {entry.version}" for entry in network.model.opset_import if entry.domain not in _STANDARD
    ]
    if imports:
        raise RequestError(
            f"{network.name} asks for the operator sets {join_names(imports)} beside ONNX's own, which old runtimes "
            "refuse even when nothing uses them; export the network without them"
        )


def _refuse_for_tensorrt(network: Network, version: Version, jetson: str | None) -> None:
    tool = _title("TensorRT", version)
    limits = operators.find_limits(operators.TENSORRT, operators.NEWEST_TENSORRT, version)
    if version[:2] < operators.LENIENT_BEFORE and limits is not None:
        limits = Limits(operators.LENIENT_OPSET, limits.ir)
        _refuse_rewritten(network, tool)
    _refuse_version(network, tool, limits)
    _refuse_8_bit(network, jetson)
    _refuse_unlisted(network, tool, version)
    if version[:2] < restrictions.HOLD_BEFORE:
        _refuse_restricted(network, tool)


def _refuse_version(network: Network, tool: str, limits: Limits | None) -> None:
    if limits is None:
        return
    opset, ir = _opset(network), network.model.ir_version
    if opset > limits.opset:
        raise RequestError(
            f"{network.name} needs opset {opset}, and {tool} reads opsets up to {limits.opset}; "
            f"export the network at opset {limits.opset} or below"
        )
    if limits.ir is not None and ir > limits.ir:
        raise RequestError(
            f"{network.name} has IR version {ir}, and {tool} reads IR versions up to {limits.ir}; "
            f"export the network at IR version {limits.ir} or below"
        )


def _refuse_rewritten(network: Network, tool: str) -> None:
    """An opset above the promised one does no harm but where it writes an operator in another way."""
    promised = operators.TENSORRT[min(operators.TENSORRT)].opset
    rewritten = sorted(network.operators() & operators.REWRITTEN)
    if rewritten and _opset(network) > promised:
        raise RequestError(
            f"{network.name} uses {join_names(rewritten)} of opset {_opset(network)}, and {tool} reads them up to "
            f"opset {promised} only; choose a network without them"
        )


def _refuse_8_bit(network: Network, jetson: str | None) -> None:
    in_8_bit = any(name in _8_BIT or name.startswith(_8_BIT_PREFIXES) for name in network.operators())
    if in_8_bit and jetson in WITHOUT_INT8:
        board, capability = WITHOUT_INT8[jetson]
        raise RequestError(
            f"{network.name} is quantised to 8 bit, and the GPU of a {board} (compute capability {capability}) has "
            "no 8 bit arithmetic; choose the float32 network it was made from"
        )


def _refuse_unlisted(network: Network, tool: str, version: Version) -> None:
    unlisted = operators.find_unlisted(network.operators(), version)
    if unlisted:
        later = [f"{name} from {_dotted(since)} on" for name, since in unlisted.items() if since is not None]
        hint = f" (TensorRT lists {join_names(later)})" if later else ""
        raise RequestError(
            f"{network.name} uses {join_names(unlisted)}, which {tool} does not list{hint}; "
            "choose a network without such operators"
        )


def _refuse_restricted(network: Network, tool: str) -> None:
    violations = list(restrictions.find_violations(network))
    if violations:
        more = f" (and {len(violations) - 1} more like it)" if len(violations) > 1 else ""
        raise RequestError(
            f"{network.name} does not fit {tool}: {violations[0]}{more}; choose or export another network"
        )


def _opset(network: Network) -> int:
    return max(int(entry.version) for entry in network.model.opset_import)


def _title(tool: str, version: Version) -> str:
    return f"{tool} {_dotted(version)}"


def _dotted(version: Version) -> str:
    return ".".join(str(part) for part in version)
