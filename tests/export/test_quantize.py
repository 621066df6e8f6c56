import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from engine.data.load import Data, load
from engine.data.loader import batches
from engine.errors import WorkError
from engine.export import quantize as quantize_module
from engine.export.onnx import export
from engine.export.quantize import CALIBRATION_IMAGES, quantize, quantize_on_data, stored_bytes
from engine.export.runtime import open_session
from engine.spec.run import DataSpec

IMAGE = (3, 16, 16)


def network() -> nn.Sequential:
    """Weights enough to count: 28,000 of them, in convolutions and a linear layer."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(1024, 10),
    ).eval()


@pytest.fixture(scope="module")
def digits() -> Data:
    return load(DataSpec(name="digits", limit=300), seed=0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "float.onnx"
    export(network(), IMAGE, path)
    return path


@pytest.fixture
def target(source: Path) -> Path:
    return source.with_name("int8.onnx")


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is written to the temporary folder meanwhile must be gone at the end."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def noise(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((8, *IMAGE), dtype=np.float32) for _ in range(count)]


def edited(path: Path, edit) -> Path:
    model = onnx.load(str(path))
    edit(model)
    onnx.save(model, str(path))
    return path


def logits(path: Path, images: np.ndarray) -> np.ndarray:
    """As the engine runs it: with 8 bit kernels that do not saturate on processors without VNNI."""
    return open_session(path).run(["logits"], {"input": images})[0]


def test_the_file_needs_opset_13_alone_and_an_old_ir_version(source: Path, target: Path, digits: Data):
    quantize_on_data(source, target, digits)
    model = onnx.load(str(target))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert model.ir_version <= 8
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert sorted(target.parent.iterdir()) == [source, target]


def test_every_weight_is_int8_with_a_scale_for_each_output_channel_and_biases_are_not(source: Path, target: Path):
    quantize(source, target, noise())
    model = onnx.load(str(target))
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    made_by = {node.output[0]: node for node in model.graph.node}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    assert len(layers) == 3
    for layer, channels in zip(layers, (32, 64, 10), strict=True):
        weight = made_by[layer.input[1]]
        assert weight.op_type == "DequantizeLinear" and made_by[layer.input[0]].op_type == "DequantizeLinear"
        assert stored[weight.input[0]].data_type == onnx.TensorProto.INT8
        assert list(stored[weight.input[1]].dims) == [channels]
        assert stored[made_by[layer.input[2]].input[0]].data_type == onnx.TensorProto.INT32


def test_weights_are_symmetric_and_activations_uint8(source: Path, target: Path, digits: Data):
    quantize_on_data(source, target, digits)
    model = onnx.load(str(target))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    quantizing = [stored[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert quantizing and all(point.dtype == np.uint8 for point in quantizing)
    restoring = [stored[node.input[2]] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert all(not point.any() for point in restoring if point.dtype == np.int8)


def test_the_outputs_are_near_the_float_networks_for_any_batch_size(source: Path, target: Path, digits: Data):
    quantize_on_data(source, target, digits)
    for batch in (1, 40):
        images = next(batches(digits.test, digits, batch, "cpu"))[0].numpy()
        exact = logits(source, images)
        np.testing.assert_allclose(logits(target, images), exact, atol=0.15 * np.abs(exact).max())


def test_the_stored_bytes_fall_to_about_a_quarter(source: Path, target: Path, digits: Data):
    quantize_on_data(source, target, digits)
    assert stored_bytes(source) == 4 * (3 * 32 * 9 + 32 + 32 * 64 * 9 + 64 + 1024 * 10 + 10)
    assert stored_bytes(target) <= 0.35 * stored_bytes(source)


def test_the_source_is_left_as_it_was(source: Path, target: Path):
    before = source.read_bytes()
    quantize(source, target, noise())
    assert source.read_bytes() == before


def test_calibration_takes_256_training_images_and_the_same_ones_again(
    source: Path, target: Path, digits: Data, monkeypatch: pytest.MonkeyPatch
):
    seen: list[torch.Tensor] = []

    def recorded(split, *rest):
        seen.append(split.images)
        return batches(split, *rest)

    monkeypatch.setattr(quantize_module, "batches", recorded)
    quantize_on_data(source, target, digits)
    quantize_on_data(source, target.with_name("again.onnx"), digits)
    first, second = seen
    assert len(first) == CALIBRATION_IMAGES == 256 and torch.equal(first, second)
    train = {image.numpy().tobytes() for image in digits.train.images}
    assert {image.numpy().tobytes() for image in first} <= train


def test_nothing_is_printed_and_logging_is_as_it_was(
    source: Path, target: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    handlers = list(logging.root.handlers)
    quantize(source, target, noise())
    assert capfd.readouterr() == ("", "")
    assert caplog.records == [] and logging.root.handlers == handlers and logging.root.manager.disable == 0


def test_a_network_of_another_opset_is_refused(source: Path, target: Path):
    export(network(), IMAGE, source, opset=12)
    refused(source, target, "needs ai.onnx 12 where opset 13 alone")


def test_weights_that_are_not_finite_are_refused(source: Path, target: Path):
    def spoil(model: onnx.ModelProto) -> None:
        weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        values = numpy_helper.to_array(weight).copy()
        values.flat[0] = np.nan
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    refused(edited(source, spoil), target, "not finite")


def test_images_that_are_not_finite_are_refused(source: Path, target: Path):
    images = noise()
    images[1][0, 0, 0, 0] = np.inf
    refused(source, target, "not finite", images)


def test_without_images_there_is_no_calibration(source: Path, target: Path):
    refused(source, target, "no images to calibrate on", [])


def test_a_network_without_layers_that_8_bit_are_for_is_refused(source: Path, target: Path):
    export(nn.Sequential(nn.ReLU(), nn.Flatten()), IMAGE, source)
    refused(source, target, "nothing to quantise")


def test_images_of_another_size_are_refused(source: Path, target: Path):
    refused(source, target, "cannot run the network on the calibration images", [np.zeros((2, 3, 8, 8), np.float32)])


def test_what_is_no_onnx_file_is_refused(source: Path, target: Path):
    source.write_bytes(b"no protobuf at all")
    refused(source, target, "not valid ONNX")
    with pytest.raises(WorkError, match="not valid ONNX"):
        stored_bytes(source)


def refused(source: Path, target: Path, said: str, images: list[np.ndarray] | None = None) -> None:
    """One sentence, and a file that was there before stays as it was."""
    target.write_bytes(b"before")
    with pytest.raises(WorkError, match=said) as caught:
        quantize(source, target, noise() if images is None else images)
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"before" and sorted(target.parent.iterdir()) == [source, target]
