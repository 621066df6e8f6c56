"""What does not fit a board is refused by name: files, opsets, operators, arithmetic."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, defs, helper, save

from engine.boards.onnx_support import operators
from engine.boards.onnx_support.check import image_shape, refuse_unfit
from engine.errors import RequestError
from tests.support.onnx_graphs import CONV, IMAGE, TX2, accepted, constant, network, one, refused, written

OLDER = (7, 1, 3)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    model = network([helper.make_node("Conv", ["input", "w"], ["logits"])], [CONV])
    save(model, tmp_path / "p3.onnx", save_as_external_data=True, location="p3.onnx.data", size_threshold=0)
    for tool in ({"tensorrt": TX2, "onnxruntime": None}, {"tensorrt": None, "onnxruntime": (1, 10)}):
        with pytest.raises(
            RequestError, match=r"p3\.onnx keeps weights in p3\.onnx\.data, and a board is sent one file"
        ):
            refuse_unfit(tmp_path / "p3.onnx", **tool)


def test_a_constant_in_another_file_is_refused_even_inside_a_branch(tmp_path: Path) -> None:
    outside = constant("value", [1.0])
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../../etc/passwd\nx")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=outside)], "inner", [], [])
    model = network([helper.make_node("If", ["input"], ["logits"], then_branch=inner, else_branch=inner)])
    assert "../../etc/passwd?x" in refused(model, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not protobuf at all", b"\x08\x07", b"\xff" * 64])
def test_what_is_no_network_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "p3.onnx").write_bytes(content)
    with pytest.raises(
        RequestError, match=r"^p3\.onnx (is no ONNX file|holds no ONNX network); only what a run exported"
    ):
        refuse_unfit(tmp_path / "p3.onnx", tensorrt=TX2, onnxruntime=None)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"p9\.onnx cannot be read: No such file or directory"):
        refuse_unfit(tmp_path / "p9.onnx", tensorrt=TX2, onnxruntime=None)


def test_a_file_above_two_gibibytes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "p3.onnx").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(RequestError, match=r"p3\.onnx is larger than 2 GiB"):
        refuse_unfit(tmp_path / "p3.onnx", tensorrt=TX2, onnxruntime=None)


@pytest.mark.parametrize(
    ("tensorrt", "limit"),
    [
        ((7, 1), 13),
        ((7, 2), 13),
        ((8, 0), 13),
        (TX2, 13),
        ((8, 4), 17),
        ((8, 6, 1), 17),
        ((9, 3), 19),
        ((10, 0, 1), 20),
    ],
)
def test_an_opset_above_what_tensorrt_reads_is_refused(tensorrt: tuple[int, ...], limit: int, tmp_path: Path) -> None:
    shown = ".".join(map(str, tensorrt))
    for opset in (limit + 1, limit + 5):
        sentence = refused(one("Relu", opset=opset), tmp_path, tensorrt)
        assert f"needs opset {opset}, and TensorRT {shown} reads opsets up to {limit}" in sentence
    accepted(one("Relu", opset=limit), tmp_path, tensorrt)


@pytest.mark.parametrize("tensorrt", [(10, 2), (10, 13, 3), (11, 0)])
def test_a_tensorrt_newer_than_the_tables_is_left_to_its_own_parser(tensorrt: tuple[int, ...], tmp_path: Path) -> None:
    accepted(one("Relu", opset=25), tmp_path, tensorrt)
    accepted(one("Unheard"), tmp_path, tensorrt)


@pytest.mark.parametrize(
    ("version", "opset", "ir"),
    [
        ((1, 0), 11, 6),
        ((1, 4, 0), 12, 7),
        ((1, 6), 13, 7),
        ((1, 8, 1), 14, 7),
        ((1, 10, 0), 15, 8),
        ((1, 11, 0), 16, 8),
        ((1, 13), 17, 8),
        ((1, 16), 19, 9),
        ((1, 20, 1), 21, 10),
    ],
)
def test_onnx_runtime_reads_up_to_its_opset_and_ir_version(
    version: tuple[int, ...], opset: int, ir: int, tmp_path: Path
) -> None:
    relu = [helper.make_node("Relu", ["input"], ["logits"])]
    accepted(network(relu, opset=opset, ir=ir), tmp_path, None, onnxruntime=version)
    sentence = refused(network(relu, opset=opset + 1, ir=ir), tmp_path, None, onnxruntime=version)
    assert (
        f"needs opset {opset + 1}, and ONNX Runtime {'.'.join(map(str, version))} reads opsets up to {opset}"
        in sentence
    )
    sentence = refused(network(relu, opset=opset, ir=ir + 1), tmp_path, None, onnxruntime=version)
    assert f"has IR version {ir + 1}" in sentence
    assert f"up to {ir};" in sentence


def test_an_onnx_runtime_newer_than_the_table_is_left_to_itself(tmp_path: Path) -> None:
    model = network([helper.make_node("Relu", ["input"], ["logits"])], opset=25, ir=13)
    accepted(model, tmp_path, None, onnxruntime=(1, 27, 0))


def test_an_ir_version_above_8_is_refused_for_tensorrt_8_2_alone(tmp_path: Path) -> None:
    model = network([helper.make_node("Relu", ["input"], ["logits"])], ir=9)
    assert "has IR version 9, and TensorRT 8.2.1 reads IR versions up to 8" in refused(model, tmp_path)
    accepted(model, tmp_path, (8, 5, 2))


def test_both_tools_are_asked_when_both_are_to_time(tmp_path: Path) -> None:
    accepted(one("Relu"), tmp_path, TX2, onnxruntime=(1, 6))
    assert "ONNX Runtime 1.4" in refused(one("Relu"), tmp_path, TX2, onnxruntime=(1, 4))


def test_every_unlisted_operator_is_named_with_the_release_that_lists_it(tmp_path: Path) -> None:
    chain = [
        helper.make_node("HardSwish", ["input"], ["a"]),
        helper.make_node("Gelu", ["a"], ["b"]),
        helper.make_node("Wobble", ["b"], ["logits"]),
    ]
    sentence = refused(network(chain), tmp_path)
    assert "uses Gelu, HardSwish, Wobble, which TensorRT 8.2.1 does not list" in sentence
    assert "(TensorRT lists Gelu from 10.0 on, HardSwish from 8.4 on)" in sentence
    accepted(network(chain), tmp_path, None, onnxruntime=(1, 10))


def test_an_operator_inside_a_branch_is_found(tmp_path: Path) -> None:
    inner = helper.make_graph([helper.make_node("Hardmax", ["input"], ["c"])], "inner", [], [])
    model = network([helper.make_node("If", ["input"], ["logits"], then_branch=inner, else_branch=inner)])
    assert "uses Hardmax, which TensorRT 8.2.1 does not list" in refused(model, tmp_path)


def test_operators_came_with_releases(tmp_path: Path) -> None:
    assert "uses Round, which TensorRT 8.0.1 does not list" in refused(one("Round"), tmp_path, (8, 0, 1))
    accepted(one("Round"), tmp_path)
    accepted(one("Abs"), tmp_path, (6, 0))


def test_the_table_of_tensorrt_8_2_has_129_operators() -> None:
    assert sum(since <= (8, 2) for since in operators.LISTED_FROM.values()) == 129
    known = {schema.name for schema in defs.get_all_schemas_with_history() if not schema.domain}
    of_its_own = {"ImageScaler", "ParametricSoftplus", "ScaledTanh"}
    assert set(operators.LISTED_FROM) - known <= of_its_own


def test_operators_that_a_later_opset_writes_in_another_way_are_those_whose_form_changed() -> None:
    def form(name: str, opset: int) -> tuple[list[str], dict[str, str]]:
        schema = defs.get_schema(name, opset)
        return [i.name for i in schema.inputs], {a: str(v.default_value) for a, v in schema.attributes.items()}

    at_11 = {s.name for s in defs.get_all_schemas_with_history() if not s.domain and s.since_version <= 11}
    changed = {name for name in at_11 if form(name, 11) != form(name, 13)}
    only_wider = {"ArgMax", "ArgMin", "Constant", "GatherND"}  # an attribute more, that nobody needs to set
    assert changed - only_wider == operators.REWRITTEN


def test_tensorrt_7_1_reads_opset_13_but_for_operators_that_changed(tmp_path: Path) -> None:
    accepted(network([helper.make_node("Conv", ["input", "w"], ["logits"])], [CONV]), tmp_path, OLDER)
    sizes = constant("sizes", [1, 2], np.int64)
    model = one("Split", "sizes", stored=[sizes], axis=1)
    sentence = refused(model, tmp_path, OLDER)
    assert "uses Split of opset 13, and TensorRT 7.1.3 reads them up to opset 11 only" in sentence
    accepted(model, tmp_path)
    accepted(one("Split", opset=11, axis=1), tmp_path, OLDER)


def test_operators_of_other_domains_are_refused_for_every_tool(tmp_path: Path) -> None:
    model = network(
        [helper.make_node("FusedConv", ["input", "w"], ["logits"], domain="com.microsoft")],
        [CONV],
        imports=[("com.microsoft", 1)],
    )
    for tools in ({"tensorrt": TX2}, {"tensorrt": None, "onnxruntime": (1, 10)}):
        sentence = refused(model, tmp_path, **tools)
        assert "uses com.microsoft.FusedConv, and boards know ONNX's own operators alone" in sentence


def test_an_operator_set_that_is_asked_for_and_not_used_is_refused(tmp_path: Path) -> None:
    model = network([helper.make_node("Relu", ["input"], ["logits"])], imports=[("ai.onnx.ml", 5)])
    assert "asks for the operator sets ai.onnx.ml 5" in refused(model, tmp_path)


@pytest.mark.parametrize("operator", ["QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger"])
def test_a_quantised_network_is_refused_for_a_jetson_tx2_by_name(operator: str, tmp_path: Path) -> None:
    stored = [constant("scale", 0.1), constant("zero", 0, np.int8)]
    model = one(operator, "scale", "zero", stored=stored)
    sentence = refused(model, tmp_path, jetson="tx2")
    assert (
        "is quantised to 8 bit, and the GPU of a Jetson TX2 (compute capability 6.2) has no 8 bit arithmetic"
        in sentence
    )
    accepted(model, tmp_path, None, onnxruntime=(1, 10), jetson="tx2")


def test_hostile_names_stay_on_one_line_and_short(tmp_path: Path) -> None:
    sentence = refused(one("Evil\n\x1b[31m" + "x" * 500), tmp_path)
    assert "Evil??[31mxxx" in sentence
    assert len(sentence) < 250


def test_the_image_is_read_from_the_file(tmp_path: Path) -> None:
    assert image_shape(written(one("Relu"), tmp_path / "p3.onnx")) == IMAGE


@pytest.mark.parametrize("shape", [("N", 3), ("N", 3, "H", "W"), ("N", 0, 8, 8), ("N", 3, 8, 8, 8)])
def test_what_takes_no_images_of_a_fixed_size_is_refused(shape: tuple[int | str, ...], tmp_path: Path) -> None:
    model = network([helper.make_node("Relu", ["input"], ["logits"])], shape=shape)
    with pytest.raises(RequestError, match=r"p3\.onnx does not take one batch of images of a fixed size"):
        image_shape(written(model, tmp_path / "p3.onnx"))
