"""One layer by itself: a valid file of the right shape, and a time for any widths."""

from dataclasses import replace

import onnx
import pytest

from engine.errors import WorkError
from engine.latency.layer_timing import build_graph, time_layer
from engine.latency.signature import Signature

ONE = (1, 1)
CONV = Signature("conv", (3, 3), (2, 2), ONE, ONE, 1, (9, 7), 8, 6)
LAYERS = {
    "conv": CONV,
    "grouped": replace(CONV, groups=2),
    "depthwise": replace(CONV, kind="depthwise", groups=8, outs=8),
    "dilated": replace(CONV, dilation=(2, 2)),
    "linear": Signature("linear", ONE, ONE, (0, 0), ONE, 1, (5, 1), 8, 6),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_at_any_widths_is_valid_and_takes_time(name: str) -> None:
    layer = LAYERS[name]
    outs = 4
    onnx.checker.check_model(build_graph(layer, 4, outs, 2), full_check=True)
    assert time_layer(layer, 4, outs) > 0


@pytest.mark.parametrize("name", LAYERS)
def test_every_copy_has_the_widths_and_positions_of_the_layer(name: str) -> None:
    layer = LAYERS[name]
    inferred = onnx.shape_inference.infer_shapes(build_graph(layer, 4, 4, 3)).graph
    sizes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*inferred.value_info, *inferred.output)
    }
    for i in range(3):
        shape = sizes[f"y{i}"] if layer.kind == "linear" else sizes[f"r{i}"]
        channels, positions = (shape[1], shape[0]) if layer.kind == "linear" else (shape[1], shape[2] * shape[3])
        assert (channels, positions) == (4, layer.positions)


def test_a_layer_that_the_runtime_refuses_is_one_sentence() -> None:
    with pytest.raises(WorkError, match="cannot run a layer of 3 to 4 channels") as caught:
        time_layer(replace(CONV, groups=2), 3, 4)
    assert "\n" not in str(caught.value)
