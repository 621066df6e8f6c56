import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torchvision.models import mobilenet_v3_small

from engine.errors import WorkError
from engine.export.onnx import export, verify

IMAGE = (3, 16, 16)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Hardswish(),  # an operator of its own from opset 14 on
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(8),
        nn.Linear(8, 4),
    ).eval()


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    export(network(), IMAGE, path)
    return path


def run(path: Path, images: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input": images})[0]


def edited(path: Path, edit) -> Path:
    model = onnx.load(str(path))
    edit(model)
    onnx.save(model, str(path))
    return path


def test_the_file_truly_has_opset_13_and_an_ir_version_of_at_most_8(exported: Path):
    model = onnx.load(str(exported))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert model.ir_version <= 8
    assert "HardSwish" not in {node.op_type for node in model.graph.node}


def test_there_is_one_file_with_the_weights_inside(exported: Path):
    assert list(exported.parent.iterdir()) == [exported]
    assert exported.stat().st_size > 4 * sum(p.numel() for p in network().parameters())


@pytest.mark.parametrize("batch", [1, 5])
def test_any_batch_size_gives_torchs_outputs(exported: Path, batch: int):
    images = torch.randn(batch, *IMAGE)
    np.testing.assert_allclose(run(exported, images.numpy()), network()(images).detach(), rtol=1e-4, atol=1e-5)


def test_a_network_in_training_is_exported_as_evaluated_and_left_untouched(tmp_path: Path):
    module = network().train().to(memory_format=torch.channels_last)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    export(module, IMAGE, tmp_path / "net.onnx")
    assert all(m.training for m in module.modules())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    images = torch.randn(2, *IMAGE)
    got = run(tmp_path / "net.onnx", images.numpy())
    np.testing.assert_allclose(got, network()(images).detach(), rtol=1e-4, atol=1e-5)


def test_mobilenet_v3_with_its_hard_activations_fits_opset_13(tmp_path: Path):
    export(mobilenet_v3_small(num_classes=5), (3, 32, 32), tmp_path / "net.onnx")
    assert onnx.load(str(tmp_path / "net.onnx")).opset_import[0].version == 13


class Strided(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))


def test_exporting_warns_of_nothing_and_leaves_warnings_as_they_were(tmp_path: Path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export(nn.Sequential(Strided(), *network()[2:4], nn.Flatten()), IMAGE, tmp_path / "net.onnx")
        warnings.warn("still heard", DeprecationWarning, stacklevel=1)
    assert [str(w.message) for w in caught] == ["still heard"]


class FunctionalPool(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 7).flatten(1)


def test_what_the_exporter_cannot_write_is_one_sentence_and_no_file(tmp_path: Path):
    with pytest.raises(WorkError, match="3×16×16 images") as caught:
        export(FunctionalPool(), IMAGE, tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("image", [(3, 16, 16), (3, 14, 5), (3, 2, 1)])
@pytest.mark.parametrize("size", [7, (6, 5), (None, 3)])
def test_a_pool_whose_bins_overlap_is_written_exactly(tmp_path: Path, image: tuple[int, int, int], size: object):
    module = nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten())
    export(module, image, tmp_path / "net.onnx")
    images = torch.randn(4, *image)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", images.numpy()), module(images), rtol=1e-5, atol=1e-6)
    assert type(module[0]) is nn.AdaptiveAvgPool2d


class Forked(nn.Module):
    """Takes a branch by a value, which a trace cannot follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = x.mean((2, 3))
        return pooled if bool((x == 0).all()) else 2 * pooled + 1


def test_a_trace_that_missed_a_branch_is_noticed_and_nothing_is_written(tmp_path: Path):
    with pytest.raises(WorkError, match="disagrees with torch"):
        export(Forked(), IMAGE, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_unchanged_file_is_accepted(exported: Path):
    written = exported.read_bytes()
    verify(network(), IMAGE, exported)  # raises for a file that it does not accept
    assert exported.read_bytes() == written


def test_a_changed_weight_is_detected(exported: Path):
    def change(model: onnx.ModelProto) -> None:
        bias = next(t for t in model.graph.initializer if list(t.dims) == [4])
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.05), bias.name))

    with pytest.raises(WorkError, match="disagrees with torch"):
        verify(network(), IMAGE, edited(exported, change))


def test_outputs_that_are_not_numbers_are_detected(exported: Path):
    def change(model: onnx.ModelProto) -> None:
        bias = next(t for t in model.graph.initializer if list(t.dims) == [4])
        bias.CopyFrom(numpy_helper.from_array(np.full(4, np.nan, np.float32), bias.name))

    with pytest.raises(WorkError, match="disagrees with torch"):
        verify(network(), IMAGE, edited(exported, change))


def test_another_opset_is_detected(exported: Path):
    def change(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = 14

    with pytest.raises(WorkError, match=r"needs ai\.onnx 14 where opset 13 alone"):
        verify(network(), IMAGE, edited(exported, change))


def test_another_operator_domain_is_detected(exported: Path):
    def change(model: onnx.ModelProto) -> None:
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))

    with pytest.raises(WorkError, match=r"needs ai\.onnx 13, com.microsoft 1 where"):
        verify(network(), IMAGE, edited(exported, change))


def test_a_newer_ir_version_is_detected(exported: Path):
    def change(model: onnx.ModelProto) -> None:
        model.ir_version = 10

    with pytest.raises(WorkError, match="IR version 10"):
        verify(network(), IMAGE, edited(exported, change))


def test_weights_in_another_file_are_detected(exported: Path):
    model = onnx.load(str(exported))
    onnx.save(model, str(exported), save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(WorkError, match="one file was asked for"):
        verify(network(), IMAGE, exported)


@pytest.mark.parametrize("content", [b"", b"no protobuf at all"])
def test_what_is_no_onnx_file_is_detected(tmp_path: Path, content: bytes):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(WorkError, match="not valid ONNX") as caught:
        verify(network(), IMAGE, path)
    assert "\n" not in str(caught.value)
