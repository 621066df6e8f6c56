"""From TensorRT's names to the modules of a network: every form that its versions write, and what looks like one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import helper

from engine.boards.layers.matching import Match, match_all
from engine.boards.layers.names import Names, Operation, module_of, read_names
from tests.support.onnx_graphs import constant, network, written

# A network as torch's exporter names its nodes: Sequential parts, functions of a block, a layer that is used twice.
NODES = (
    ("Conv", "/conv1/Conv", "input", "onnx::Conv_7"),
    ("Relu", "/Relu", "/conv1/Conv"),
    ("Conv", "/layer1/layer1.0/conv1/Conv", "/Relu", "onnx::Conv_8"),
    ("Sigmoid", "/layer1/layer1.0/act/Sigmoid", "/layer1/layer1.0/conv1/Conv"),
    ("Mul", "/layer1/layer1.0/act/Mul", "/layer1/layer1.0/conv1/Conv", "/layer1/layer1.0/act/Sigmoid"),
    ("Conv", "/layer1/layer1.0/conv1_1/Conv", "/layer1/layer1.0/act/Mul", "onnx::Conv_9"),
    ("Add", "/layer1/layer1.0/Add", "/layer1/layer1.0/conv1_1/Conv", "/Relu"),
    ("Conv", "/layer1/layer1.1/Conv", "/layer1/layer1.0/Add", "onnx::Conv_10"),
    ("GlobalAveragePool", "/pool/GlobalAveragePool", "/layer1/layer1.1/Conv"),
    ("Flatten", "/Flatten", "/pool/GlobalAveragePool"),
    ("Gemm", "/fc/Gemm", "/Flatten", "fc.weight", "fc.bias"),
)
STORED = ("onnx::Conv_7", "onnx::Conv_8", "onnx::Conv_9", "onnx::Conv_10", "fc.weight", "fc.bias")


def made(folder: Path, nodes: Sequence[Sequence[str]] = NODES, stored: Sequence[str] = STORED) -> Names:
    """The names of a network whose nodes are (operator, name, inputs…); a node's output is called NAME_output_0."""
    own = {name: f"{name}_output_0" for _, name, *_ in nodes[:-1]} | {nodes[-1][1]: "logits"}
    graph = [
        helper.make_node(operator, [own.get(each, each) for each in inputs], [own[name]], name=name)
        for operator, name, *inputs in nodes
    ]
    model = network(graph, [constant(name, np.ones((2, 2, 1, 1))) for name in stored])
    return read_names(written(model, folder / "p1.onnx"))


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Names:
    return made(tmp_path_factory.mktemp("onnx"))


def match(name: str, names: Names) -> Match:
    return match_all([name], names)[0]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("/conv1/Conv + /Relu", ("conv1",)),
        ("/layer1/layer1.0/conv1/Conv", ("layer1.0.conv1",)),
        ("/layer1/layer1.0/conv1_1/Conv + /layer1/layer1.0/Add", ("layer1.0.conv1_1",)),
        (
            "PWN(PWN(/layer1/layer1.0/act/Sigmoid), /layer1/layer1.0/act/Mul)",
            ("layer1.0.act Sigmoid", "layer1.0.act Mul"),
        ),
        ("/layer1/layer1.0/conv1/Conv + PWN(PWN(/layer1/layer1.0/act/Sigmoid), /x)", ("layer1.0.conv1",)),
        ("/conv1/Conv + /Relu || /layer1/layer1.1/Conv", ("conv1", "layer1.1")),
        ("/Relu", ("Relu",)),
        ("/pool/GlobalAveragePool", ("pool GlobalAveragePool",)),
        ("fc.weight + QuantizeLinear_762 + (Unnamed Layer* 8) [Shuffle]", ("fc",)),
        ("onnx::Conv_7 + (Unnamed Layer* 58) [Shuffle]", ("conv1",)),
        ("node_of_/conv1/Conv_output_0 + node_of_/Relu_output_0", ("conv1",)),
        ("/fc/Gemm [profile 1]", ("fc",)),
        ("/layer1/layer1_0/conv1_1/Conv_myl0_4", ("layer1.0.conv1_1",)),
        ("/fc/Gemm_myl12_0", ("fc",)),
    ],
)
def test_a_fused_layer_is_of_its_convolution_and_without_one_of_what_it_does(
    name: str, labels: tuple[str, ...], names: Names
) -> None:
    found = match(name, names)
    assert (found.labels, found.copy) == (labels, False)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("Reformatting CopyNode for Input Tensor 0 to /conv1/Conv + /Relu", ("conv1",)),
        ("Reformatting CopyNode for Output Tensor 1 to /fc/Gemm", ("fc",)),
        ("Reformatting CopyNode for Network Input input", ("input",)),
        ("Reformatting CopyNode for Network Output logits", ("fc",)),
        ("/conv1/Conv + /Relu input reformatter 0", ("conv1",)),
        ("/layer1/layer1.0/Add_output_0 copy", ("layer1.0 Add",)),
        ("reshape_before_/fc/Gemm", ("fc",)),
        ("copied_squeeze_after_/fc/Gemm", ("fc",)),
        ("unsqueeze_node_after_/fc/Gemm", ("fc",)),
        ("Reformatting CopyNode for Input Tensor 0 to {ForeignNode[/Relu.../fc/Gemm]}", ("fc",)),
        ("copied_squeeze_after_(Unnamed Layer* 803) [ElementWise]", ()),
    ],
)
def test_a_copy_is_named_by_what_it_is_for_and_is_called_one(name: str, labels: tuple[str, ...], names: Names) -> None:
    found = match(name, names)
    assert (found.labels, found.copy) == (labels, True)


@pytest.mark.parametrize(
    "name",
    [
        *("(Unnamed Layer* 803) [ElementWise]", "__myl_MulMaxSubExpSum_myl109_3", "", "Conv", "conv1"),
        *("/conv1/Con", "/conv1/Conv1", "x/conv1/Conv", "/conv1/Conv/Relu", "{ForeignNode[]}", "{ForeignNode[x...y]}"),
        *("]} {ForeignNode[", " + ", "/layer1/layer1_0/conv1/Conv", "\x00\n☃"),
    ],
)
def test_what_no_operation_is_named_by_stays_unknown(name: str, names: Names) -> None:
    assert match(name, names).labels == ()


def test_a_foreign_node_holds_what_lies_between_its_ends_and_has_no_layer_of_its_own(names: Names) -> None:
    rows = [
        "/conv1/Conv + /Relu",
        "Reformatting CopyNode for Input Tensor 0 to {ForeignNode[/layer1/layer1.0/conv1/Conv.../fc/Gemm]}",
        "{ForeignNode[/layer1/layer1.0/conv1/Conv.../fc/Gemm]}",
        "/layer1/layer1.1/Conv",
        "/fc/Gemm_myl0_7",
    ]
    found = match_all(rows, names)
    assert found[2].labels == ("layer1.0.conv1", "layer1.0.conv1_1", "fc")
    assert "Sigmoid" in found[2].operators and found[1].copy and found[4].labels == ("fc",)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (
            "{ForeignNode[(Unnamed Layer* 3) [Constant] + x.../layer1/layer1.0/Add]}",
            ("layer1.0.conv1", "layer1.0.conv1_1"),
        ),
        ("{ForeignNode[/layer1/layer1.1/Conv...ONNXTRT_ShapeShuffle_36_output[Constant]]}", ("layer1.1", "fc")),
        ("{ForeignNode[/layer1/layer1.1/Conv + /pool/GlobalAveragePool.../Flatten]}", ("layer1.1",)),
        ("{ForeignNode[/fc/Gemm]}", ("fc",)),
        ("{ForeignNode[fc.weight.../fc/Gemm]}", ("fc",)),
        ("{ForeignNode[input...logits]}", ("conv1", "layer1.0.conv1", "layer1.0.conv1_1", "layer1.1", "fc")),
    ],
)
def test_an_end_that_is_unknown_reaches_as_far_as_other_layers_leave_room(
    name: str, labels: tuple[str, ...], names: Names
) -> None:
    others = ["/conv1/Conv + /Relu", name] if "input" not in name else ["", name]
    assert match_all(others, names)[1].labels[-len(labels) :] == labels
    assert len(match_all(others, names)[1].labels) <= len(labels) + ("input" in name)


def test_weights_in_8_bit_are_found_behind_their_quantizers_and_names_without_a_path_by_their_weights(
    tmp_path: Path,
) -> None:
    nodes = (
        ("QuantizeLinear", "QuantizeLinear_2", "input", "scale"),
        ("DequantizeLinear", "DequantizeLinear_3", "QuantizeLinear_2", "scale"),
        ("QuantizeLinear", "QuantizeLinear_7", "features.0.0.weight", "scale"),
        ("DequantizeLinear", "DequantizeLinear_8", "QuantizeLinear_7", "scale"),
        ("Conv", "Conv_9", "DequantizeLinear_3", "DequantizeLinear_8"),
        ("Clip", "Clip_13", "Conv_9"),
        ("DequantizeLinear", "DequantizeLinear_14", "fc.weight_quantized", "scale"),
        ("Gemm", "Gemm_15", "Clip_13", "DequantizeLinear_14"),
        ("Conv", "Conv_16", "Gemm_15", "shared.weight"),
        ("Conv", "Conv_17", "Conv_16", "shared.weight"),
        ("MatMul", "MatMul_18", "Conv_17", "Conv_16"),
    )
    found = made(tmp_path, nodes, ("scale", "features.0.0.weight", "fc.weight_quantized", "shared.weight"))
    rows = [
        "features.0.0.weight + QuantizeLinear_7 + Conv_9 + PWN(Clip_13)",
        "Gemm_15",
        "Conv_1",
        "Conv_16 || Conv_17",
        "MatMul_18",
        "scale",
    ]
    assert [each.labels for each in match_all(rows, found)] == [
        ("features.0.0",), ("fc",), (), ("Conv_16", "Conv_17"), ("MatMul_18",), ()
    ]  # fmt: skip
    assert [each.name for each in found.operations if each.weights] == ["Conv_9", "Gemm_15", "Conv_16", "Conv_17"]


def test_modules_are_read_from_the_names_of_the_exporter() -> None:
    assert module_of("/layer2/layer2.0/shortcut/shortcut.0/Conv") == "layer2.0.shortcut.0"
    assert module_of("/blocks/blocks.0/blocks.0.1/conv_dw/Conv_1") == "blocks.0.1.conv_dw"
    assert (module_of("/Relu"), module_of("Conv_0"), module_of("")) == ("", "", "")


characters = st.characters(codec="utf-8")
own_names = st.lists(st.text(characters, min_size=1, max_size=12).map("/{}/Conv".format), min_size=2, max_size=8)


@given(own_names.map(lambda found: sorted(set(found))), st.data())
def test_names_of_any_characters_are_found_in_what_they_are_fused_to(found: list[str], data: st.DataObject) -> None:
    operations = tuple(Operation(f"m{place}", name, "Conv", place, weights=True) for place, name in enumerate(found))
    names = Names(operations, {each.name: (each,) for each in operations})
    fused = data.draw(st.lists(st.sampled_from(operations), min_size=1, max_size=4, unique=True))
    if any(one != other and one.name in other.name for one in operations for other in fused):
        assume(False)  # which of them is meant is not to be told
    text = data.draw(st.sampled_from([" + ", " || "])).join(each.name for each in fused)
    for whole in (text, f"PWN({text})", f"Reformatting CopyNode for Input Tensor 3 to {text}", f"{text}_myl0_1"):
        assert set(match_all([whole], names)[0].operations) == set(fused)
