"""Whether a board can read an exported network at all: asked before anything is sent to it. No torch."""

from pathlib import Path

from engine.boards.onnx_support import network, operators, restrictions
from engine.boards.onnx_support.network import Network, named
from engine.boards.onnx_support.operators import Reads, Version
from engine.errors import RequestError

# What `probe` calls a board, what people call it, and the compute capability of its GPU.
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
    found = network.read(path)
    _refuse_foreign(found)
    if tensorrt is not None:
        _refuse_for_tensorrt(found, tensorrt, jetson)
    if onnxruntime is not None:
        limits = operators.reads(operators.ONNXRUNTIME, operators.NEWEST_ONNXRUNTIME, onnxruntime)
        _refuse_version(found, _called("ONNX Runtime", onnxruntime), limits)


def image(path: Path) -> tuple[int, int, int]:
    """Channels, height and width of what the network in `path` takes; RequestError unless it is one batch of images."""
    found = network.read(path)
    stored = {tensor.name for tensor in found.model.graph.initializer}
    inputs = [entry for entry in found.model.graph.input if entry.name not in stored]
    shape = [side.dim_value for entry in inputs for side in entry.type.tensor_type.shape.dim]
    if len(inputs) != 1 or len(shape) != 4 or min(shape[1:]) < 1:
        raise RequestError(f"{found.name} does not take one batch of images of a fixed size, so it cannot be timed")
    return shape[1], shape[2], shape[3]


def _refuse_foreign(found: Network) -> None:
    used = {f"{node.domain}.{node.op_type}" for node in found.nodes if node.domain not in _STANDARD}
    if used:
        raise RequestError(
            f"{found.name} uses {named(sorted(used))}, and boards know ONNX's own operators alone; "
            "export the network without them"
        )
    imports = [f"{entry.domain} {entry.version}" for entry in found.model.opset_import if entry.domain not in _STANDARD]
    if imports:
        raise RequestError(
            f"{found.name} asks for the operator sets {named(imports)} beside ONNX's own, which old runtimes refuse "
            "even when nothing uses them; export the network without them"
        )


def _refuse_for_tensorrt(found: Network, version: Version, jetson: str | None) -> None:
    tool = _called("TensorRT", version)
    limits = operators.reads(operators.TENSORRT, operators.NEWEST_TENSORRT, version)
    if version[:2] < operators.LENIENT_BEFORE and limits is not None:
        limits = Reads(operators.LENIENT_OPSET, limits.ir)
        _refuse_rewritten(found, tool)
    _refuse_version(found, tool, limits)
    _refuse_8_bit(found, jetson)
    _refuse_unlisted(found, tool, version)
    if version[:2] < restrictions.HOLD_BEFORE:
        _refuse_restricted(found, tool)


def _refuse_version(found: Network, tool: str, limits: Reads | None) -> None:
    if limits is None:
        return
    opset, ir = _opset(found), found.model.ir_version
    if opset > limits.opset:
        raise RequestError(
            f"{found.name} needs opset {opset}, and {tool} reads opsets up to {limits.opset}; "
            f"export the network at opset {limits.opset} or below"
        )
    if limits.ir is not None and ir > limits.ir:
        raise RequestError(
            f"{found.name} has IR version {ir}, and {tool} reads IR versions up to {limits.ir}; "
            f"export the network at IR version {limits.ir} or below"
        )


def _refuse_rewritten(found: Network, tool: str) -> None:
    """An opset above the promised one does no harm but where it writes an operator in another way."""
    promised = operators.TENSORRT[min(operators.TENSORRT)].opset
    rewritten = found.operators() & operators.REWRITTEN
    if rewritten and _opset(found) > promised:
        raise RequestError(
            f"{found.name} uses {named(sorted(rewritten))} of opset {_opset(found)}, and {tool} reads them up to opset "
            f"{promised} only; choose a network without them"
        )


def _refuse_8_bit(found: Network, jetson: str | None) -> None:
    in_8_bit = any(name in _8_BIT or name.startswith(_8_BIT_PREFIXES) for name in found.operators())
    if in_8_bit and jetson in WITHOUT_INT8:
        board, capability = WITHOUT_INT8[jetson]
        raise RequestError(
            f"{found.name} is quantised to 8 bit, and the GPU of a {board} (compute capability {capability}) has no "
            "8 bit arithmetic; choose the float32 network it was made from"
        )


def _refuse_unlisted(found: Network, tool: str, version: Version) -> None:
    unlisted = operators.unlisted(found.operators(), version)
    if unlisted:
        later = [f"{name} from {_dotted(since)} on" for name, since in unlisted.items() if since is not None]
        hint = f" (TensorRT lists {named(later)})" if later else ""
        raise RequestError(
            f"{found.name} uses {named(unlisted)}, which {tool} does not list{hint}; "
            "choose a network without such operators"
        )


def _refuse_restricted(found: Network, tool: str) -> None:
    broken = list(restrictions.broken(found))
    if broken:
        more = f" (and {len(broken) - 1} more like it)" if len(broken) > 1 else ""
        raise RequestError(f"{found.name} does not fit {tool}: {broken[0]}{more}; choose or export another network")


def _opset(found: Network) -> int:
    return max(int(entry.version) for entry in found.model.opset_import)


def _called(tool: str, version: Version) -> str:
    return f"{tool} {_dotted(version)}"


def _dotted(version: Version) -> str:
    return ".".join(str(part) for part in version)
