import math
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.data.load import Data, Split, load
from engine.errors import WorkError
from engine.export.evaluate import evaluate_onnx
from engine.export.onnx import export
from engine.export.quantize import quantize_on_data
from engine.spec.run import DataSpec
from engine.train.evaluate import evaluate
from engine.train.fit import fit
from engine.train.recipe import Recipe
from tests.support import tiny


def exported(module: nn.Module, data: Data, path: Path) -> Path:
    export(module, data.image, path)
    return path


def test_an_exported_network_is_as_good_as_in_torch(tmp_path: Path):
    data = tiny.data()
    module = tiny.network().eval()
    path = exported(module, data, tmp_path / "net.onnx")
    expected = evaluate(module, data.val, data, "cpu")
    got = evaluate_onnx(path, data.val, data, batch_size=7)
    assert (got.correct, got.top5, got.total) == (expected.correct, expected.top5, expected.total)
    assert got.loss == pytest.approx(expected.loss, rel=1e-4)


def test_a_trained_network_is_nearly_as_good_in_8_bit(tmp_path: Path):
    data = load(DataSpec(name="digits", limit=400), seed=0)
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10)
    )
    fit(module, data, Recipe(epochs=3, lr=0.05), "cpu", 0, on_epoch=tiny.ignore)
    source = exported(module, data, tmp_path / "float.onnx")
    quantize_on_data(source, tmp_path / "int8.onnx", data)
    exact = evaluate_onnx(source, data.test, data)
    coarse = evaluate_onnx(tmp_path / "int8.onnx", data.test, data)
    assert exact.top1 > 0.5
    assert abs(coarse.top1 - exact.top1) <= 0.03


def test_an_empty_split_cannot_be_evaluated(tmp_path: Path):
    data = tiny.data()
    path = exported(tiny.network(), data, tmp_path / "net.onnx")
    with pytest.raises(WorkError, match="no images"):
        evaluate_onnx(path, Split(images=data.val.images[:0], labels=data.val.labels[:0]), data)


class Spoiled(nn.Module):
    """Finite on the noise that an export is checked with, not a number on an image that is black everywhere."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x, x), 1).mean((2, 3)) / x.abs().amax((1, 2, 3))[:, None]


def test_outputs_that_are_not_finite_are_no_accuracy(tmp_path: Path):
    data = tiny.data()
    path = exported(Spoiled(), data, tmp_path / "net.onnx")
    grey = Split(images=torch.zeros(2, 3, 16, 16, dtype=torch.uint8), labels=torch.zeros(2, dtype=torch.int64))
    black = Data(**{**vars(data), "mean": (0.0, 0.0, 0.0)})
    assert math.isfinite(evaluate_onnx(path, data.val, data).loss)
    with pytest.raises(WorkError, match="not finite"):
        evaluate_onnx(path, grey, black)


def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path):
    data = tiny.data()
    (tmp_path / "net.onnx").write_bytes(b"no protobuf at all")
    with pytest.raises(WorkError, match="cannot open") as caught:
        evaluate_onnx(tmp_path / "net.onnx", data.val, data)
    assert "\n" not in str(caught.value)


def test_images_of_another_size_are_one_sentence(tmp_path: Path):
    data = tiny.data()
    path = exported(tiny.network(), data, tmp_path / "net.onnx")
    small = Split(images=torch.zeros(2, 3, 8, 8, dtype=torch.uint8), labels=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(WorkError, match="cannot run") as caught:
        evaluate_onnx(path, small, data)
    assert "\n" not in str(caught.value)
