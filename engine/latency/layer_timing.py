"""How long one layer takes at given widths on this host, in a file that holds nothing else.

ONNX Runtime fuses a convolution with the norm and the activation after it, so a layer is timed with its activation.
Several of the same shape stand side by side, each with weights of its own: what a query costs by itself is shared among
them. An average pool over each hands on only one number a channel, as blocked kernels otherwise spend as much time on
unblocking their output, which they do not inside of a network.
"""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from engine.errors import WorkError
from engine.export.onnx import NEWEST_IR, OPSET
from engine.export.runtime import ORT_ERRORS, first_line, session_options
from engine.latency.sampling import sample_queries
from engine.latency.signature import Signature

_BRANCHES, _MOST_WEIGHTS = 8, 4_000_000  # side by side; fewer where they would hold more weights than that
_WARMUP_RUNS, _FEWEST, _SECONDS, _CAP_SECONDS = 3, 15, 0.012, 0.5


def time_layer(layer: Signature, ins: int, outs: int, threads: int = 1) -> float:
    """Median milliseconds of `layer` with `ins` and `outs` channels, batch 1, on the CPU.

    Raises WorkError when ONNX Runtime cannot run it.
    """
    branches = max(2, min(_BRANCHES, _MOST_WEIGHTS // max(1, _weights(layer, ins, outs))))
    try:
        model = build_graph(layer, ins, outs, branches).SerializeToString()
        session = ort.InferenceSession(model, session_options(threads), providers=["CPUExecutionProvider"])
        shape = session.get_inputs()[0].shape
        feed = {"x": np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}
        return _median(session, feed) / branches
    except ORT_ERRORS as error:
        raise WorkError(f"ONNX Runtime cannot run a layer of {ins} to {outs} channels: {first_line(error)}") from None


def build_graph(layer: Signature, ins: int, outs: int, branches: int) -> onnx.ModelProto:
    """`branches` copies of a layer beside each other, all reading `x`."""
    rng = np.random.default_rng(0)
    cut = replace(layer, ins=ins, outs=outs, groups=ins if layer.kind == "depthwise" else layer.groups)
    nodes, tensors, ends = [], [], []
    for i in range(branches):
        shape = (outs, ins) if layer.kind == "linear" else (outs, ins // cut.groups, *layer.kernel)
        for name, size in ((f"w{i}", shape), (f"b{i}", (outs,))):
            values = rng.standard_normal(size, dtype=np.float32)
            tensors.append(helper.make_tensor(name, TensorProto.FLOAT, size, values.tobytes(), raw=True))
        nodes += _branch(cut, i)
        end = [layer.size[0], outs] if layer.kind == "linear" else [1, outs, 1, 1]
        ends.append(helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, end))
    start = [layer.size[0], ins] if layer.kind == "linear" else [1, ins, *layer.size]
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, start)
    model = helper.make_model(
        helper.make_graph(nodes, "layer", [entry], ends, tensors), opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = NEWEST_IR
    return model


def _branch(layer: Signature, i: int) -> list[onnx.NodeProto]:
    if layer.kind == "linear":
        return [helper.make_node("Gemm", ["x", f"w{i}", f"b{i}"], [f"y{i}"], transB=1)]
    convolution = helper.make_node(
        "Conv",
        ["x", f"w{i}", f"b{i}"],
        [f"c{i}"],
        kernel_shape=list(layer.kernel),
        strides=list(layer.stride),
        pads=list(layer.padding) * 2,
        dilations=list(layer.dilation),
        group=layer.groups,
    )
    return [
        convolution,
        helper.make_node("Relu", [f"c{i}"], [f"r{i}"]),
        helper.make_node("GlobalAveragePool", [f"r{i}"], [f"y{i}"]),
    ]


def _weights(layer: Signature, ins: int, outs: int) -> int:
    fan_in = 1 if layer.kind == "depthwise" else ins // layer.groups
    return outs * fan_in * layer.kernel[0] * layer.kernel[1]


def _median(session: ort.InferenceSession, feed: dict[str, NDArray[np.float32]]) -> float:
    for _ in range(_WARMUP_RUNS):
        session.run(None, feed)
    samples = sample_queries(lambda: session.run(None, feed), seconds=_SECONDS, min_n=_FEWEST, cap_seconds=_CAP_SECONDS)
    return float(np.median(samples))
