import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

from engine.errors import RequestError, WorkError
from engine.export.onnx import export
from engine.latency import host_timing
from engine.latency.host_timing import percentiles, time_onnx

IMAGE = (3, 16, 16)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    export(module, IMAGE, path)
    return path


def test_a_measurement_carries_its_conditions(net: Path):
    got = time_onnx(net, IMAGE, threads=1, batch=2, seconds=0.0, min_n=70)
    assert got.p50_ms > 0 and got.p90_ms is not None
    assert got.p90_ms >= got.p50_ms
    assert got.to_json() == {
        "where": "host",
        "tool": "onnxruntime",
        "provider": "CPUExecutionProvider",
        "threads": 1,
        "batch": 2,
        "n": 70,
        "p50_ms": got.p50_ms,
        "p90_ms": got.p90_ms,
        "p99_ms": None,
    }


def test_measuring_goes_on_until_the_time_is_spent(net: Path):
    started = time.perf_counter()
    got = time_onnx(net, IMAGE, seconds=0.3, min_n=1)
    assert time.perf_counter() - started >= 0.3
    assert got.n > 1


def test_warm_up_runs_are_no_samples(monkeypatch: pytest.MonkeyPatch):
    calls: list[None] = []
    monkeypatch.setattr(host_timing, "_WARMUP_SECONDS", 0.0)
    samples = host_timing._sample(lambda: calls.append(None), seconds=0.0, min_n=7)
    assert len(samples) == 7
    assert len(calls) == 10 + 7


def test_a_slow_network_ends_with_three_samples(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host_timing, "_CAP_SECONDS", 0.01)
    monkeypatch.setattr(host_timing, "_WARMUP_CAP_SECONDS", 0.0)
    samples = host_timing._sample(lambda: time.sleep(0.02), seconds=100.0, min_n=1000)
    assert len(samples) == 3
    assert min(samples) >= 20


@pytest.mark.parametrize(
    ("n", "p90", "p99"),
    [(3, False, False), (63, False, False), (64, True, False), (661, True, False), (662, True, True)],
)
def test_percentiles_are_shown_only_from_enough_samples(n: int, p90: bool, p99: bool):
    samples = np.random.default_rng(0).permutation(np.linspace(1, 2, n)).tolist()
    got = percentiles(samples)
    assert got[0] == pytest.approx(1.5)
    assert (got[1] is not None, got[2] is not None) == (p90, p99)
    assert got[1] is None or got[1] == pytest.approx(1.9)
    assert got[2] is None or got[2] == pytest.approx(1.99)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this computer has a CUDA GPU, which then runs")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_that_is_not_there_is_refused_and_nothing_is_printed(
    net: Path, provider: str, capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(RequestError, match=provider) as caught:
        time_onnx(net, IMAGE, provider=provider)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


class FellBack:
    """A session that was asked for CUDA and runs on something else, without a word."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_silent_fallback_is_never_labelled_as_the_gpu(net: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort, "InferenceSession", FellBack)
    with pytest.raises(RequestError, match="fell back to cpu"):
        time_onnx(net, IMAGE, provider="cuda")


def test_a_runtime_without_the_provider_says_what_it_has(net: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RequestError, match="no cuda provider; it has cpu"):
        time_onnx(net, IMAGE, provider="cuda")


@pytest.mark.parametrize("wrong", [{"provider": "gpu"}, {"threads": 0}, {"batch": 0}])
def test_a_wrong_request_is_refused(net: Path, wrong: dict):
    with pytest.raises(RequestError):
        time_onnx(net, IMAGE, **wrong)


def test_a_missing_file_is_one_sentence(tmp_path: Path):
    with pytest.raises(WorkError, match="cannot open") as caught:
        time_onnx(tmp_path / "none.onnx", IMAGE)
    assert "\n" not in str(caught.value)


def test_images_of_another_size_are_one_sentence(net: Path):
    with pytest.raises(WorkError, match="cannot run") as caught:
        time_onnx(net, (1, 16, 16))
    assert "\n" not in str(caught.value)
