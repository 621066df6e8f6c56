"""What TensorRT before 8.5 asks of single operators is asked before anything is sent."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from tests.support.onnx_graphs import CONV, accepted, constant, network, one, refused


def conv(maker: NodeProto | None, place: int) -> onnx.ModelProto:
    """A convolution whose weights (place 1) or bias (place 2) come out of `maker`, or are stored."""
    inputs = ["input", "w", "b"]
    if maker is not None:
        inputs[place] = "made"
    node = helper.make_node("Conv", inputs, ["logits"], name="it")
    return network([maker, node] if maker else [node], [CONV, constant("b", np.zeros(4))])


def test_weights_and_bias_of_a_convolution_are_stored(tmp_path: Path) -> None:
    accepted(conv(None, 1), tmp_path)
    for place, role, source in ((1, "weights", "w"), (2, "bias", "b")):
        model = conv(helper.make_node("Identity", [source], ["made"]), place)
        sentence = refused(model, tmp_path)
        assert f"the {role} of Conv it would come from Identity, and must be a constant of the file" in sentence
        accepted(model, tmp_path, (8, 5, 1))
    accepted(conv(helper.make_node("Constant", [], ["made"], value=constant("", np.zeros(4))), 2), tmp_path)


AXES = constant("axes", [1], np.int64)
FROM_TO = [constant("from", [0], np.int64), constant("to", [4], np.int64)]


@pytest.mark.parametrize("maker", ["stored", "Constant", "Cast", "input"])
def test_axes_of_a_slice_are_stored_or_come_from_a_constant_node(maker: str, tmp_path: Path) -> None:
    before = {
        "stored": [],
        "Constant": [helper.make_node("Constant", [], ["made"], value=AXES)],
        "Cast": [helper.make_node("Cast", ["axes"], ["made"], to=TensorProto.INT64)],
        "input": [],
    }[maker]
    name = {"stored": "axes", "input": "input"}.get(maker, "made")
    cut = helper.make_node("Slice", ["input", "from", "to", name], ["logits"], name="it")
    model = network([*before, cut], [*FROM_TO, AXES])
    if maker in ("stored", "Constant"):
        accepted(model, tmp_path)
    else:
        origin = {"Cast": "Cast", "input": "the network's input"}[maker]
        assert f"the axes of Slice it would come from {origin}, and must be a constant" in refused(model, tmp_path)


@pytest.mark.parametrize(
    ("operator", "role"), [("Squeeze", "axes"), ("Unsqueeze", "axes"), ("TopK", "K"), ("CumSum", "axis")]
)
def test_what_shapes_a_result_is_stored(operator: str, role: str, tmp_path: Path) -> None:
    accepted(one(operator, "axes", stored=[AXES]), tmp_path)
    assert f"the {role} of {operator} it would come from the network's input" in refused(
        one(operator, "input"), tmp_path
    )


SCALES = constant("scales", [1, 1, 2, 2])


def test_linear_and_nearest_resizing_fit(tmp_path: Path) -> None:
    for mode in ("nearest", "linear"):
        accepted(one("Resize", "", "scales", stored=[SCALES], mode=mode), tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("mode", "cubic"), ("coordinate_transformation_mode", "tf_crop_and_resize"), ("nearest_mode", "by taste")],
)
def test_other_resizing_is_refused(name: str, value: str, tmp_path: Path) -> None:
    sentence = refused(one("Resize", "", "scales", stored=[SCALES], **{name: value}), tmp_path)
    assert f"Resize it has the {name} {value}, and only " in sentence


def test_scales_that_are_computed_are_refused_and_sizes_are_not(tmp_path: Path) -> None:
    assert "the scales of Resize it" in refused(one("Resize", "", "input"), tmp_path)
    accepted(one("Resize", "", "", "input"), tmp_path)


@pytest.mark.parametrize("operator", ["QuantizeLinear", "DequantizeLinear"])
def test_only_a_stored_zero_point_of_0_fits(operator: str, tmp_path: Path) -> None:
    scale = constant("scale", 0.1)
    accepted(one(operator, "scale", "zero", stored=[scale, constant("zero", 0, np.int8)]), tmp_path)
    for zero in (constant("zero", 113, np.uint8), constant("zero", [0, 0, -1], np.int8)):
        sentence = refused(one(operator, "scale", "zero", stored=[scale, zero]), tmp_path)
        assert f"{operator} it has a zero point that is not stored as 0" in sentence
    assert "zero point" in refused(one(operator, "scale", stored=[scale]), tmp_path)


def test_quantised_weights_count_as_stored(tmp_path: Path) -> None:
    stored = [constant("q", np.ones((4, 3, 3, 3)), np.int8), constant("scale", 0.1), constant("zero", 0, np.int8)]
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["made"]),
        helper.make_node("Conv", ["input", "made"], ["logits"]),
    ]
    accepted(network(nodes, stored), tmp_path, jetson="xavier")


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (one("MaxPool", kernel_shape=[3]), "MaxPool it has a kernel of 1 dimensions"),
        (one("AveragePool", kernel_shape=[1, 1, 1, 1]), "AveragePool it has a kernel of 4 dimensions"),
        (one("MaxPool", kernel_shape=[3, 3], dilations=[2, 2]), "MaxPool it is dilated"),
        (
            network([helper.make_node("MaxPool", ["input"], ["logits", "where"], name="it", kernel_shape=[2, 2])]),
            "MaxPool it also gives indices",
        ),
        (
            network([helper.make_node("Constant", [], ["logits"], name="it", value_float=1.0)]),
            "Constant it is not stored as a dense tensor",
        ),
    ],
)
def test_forms_that_tensorrt_does_not_take_are_refused(model: onnx.ModelProto, problem: str, tmp_path: Path) -> None:
    assert problem in refused(model, tmp_path)
    accepted(model, tmp_path, None, onnxruntime=(1, 10))


def test_several_broken_rules_are_counted(tmp_path: Path) -> None:
    nodes = [helper.make_node("MaxPool", ["input"], [f"o{i}"], kernel_shape=[3]) for i in range(3)]
    assert "MaxPool o0 has a kernel of 1 dimensions" in (sentence := refused(network(nodes), tmp_path))
    assert "(and 2 more like it)" in sentence
