"""Timing with ONNX Runtime on the board: `bench.py ort`, by a real 1.10 under a real Python 3.6."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from tests.support import python36
from tests.support.board_files import bench, runs, started, tree
from tests.support.places import GALLERY
from tests.support.storm import wait_for


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A small convolution as a TX2 would get it: opset 13, IR 7."""

    def make(shape: tuple[int | str | None, ...] = (1, 3, 8, 8), kind: int = TensorProto.FLOAT) -> Path:
        weight = helper.make_tensor("w", kind, (4, 3, 3, 3), np.ones(108, np.float32))
        node = helper.make_node("Conv", ["image", "w"], ["out"], pads=[1, 1, 1, 1])
        image, out = (
            helper.make_tensor_value_info("image", kind, shape),
            helper.make_tensor_value_info("out", kind, None),
        )
        graph = helper.make_graph([node], "small", [image], [out], [weight])
        made = helper.make_model(graph, ir_version=7, opset_imports=[helper.make_opsetid("", 13)])
        path = tmp_path_factory.mktemp("models") / "small.onnx"
        onnx.save(made, path)
        return path

    return make


def test_onnx_runtime_is_timed_until_there_are_enough_samples(
    python: Path, model: Callable[..., Path], root: Path
) -> None:
    found = bench(
        python,
        "ort",
        "--model",
        model(),
        "--least",
        "200",
        "--seconds",
        "0.3",
        "--warmup",
        "0.1",
        "--limit",
        "30",
        root=root,
    )
    samples = found["samples_ms"]
    assert len(samples) >= 200 and min(samples) > 0
    assert sum(samples) / 1e3 <= found["seconds"] < 10 and found["seconds"] >= 0.3
    assert (found["provider"], found["threads"], found["batch"], found["input"]) == (
        "CPUExecutionProvider",
        1,
        1,
        [1, 3, 8, 8],
    )
    assert found["version"].count(".") == 2
    assert 0.1 < found["from_s"] < found["to_s"] < found["sensors"]["t"][-1], (
        "the window lies in the series of the sensors"
    )
    assert found["to_s"] - found["from_s"] == pytest.approx(found["seconds"], abs=0.01)
    assert any(found["from_s"] <= t <= found["to_s"] for t in found["sensors"]["t"])
    assert found["sensors"]["power_mw"]["VDD_IN"][0] == 5200


def test_python_36_times_a_network_of_the_gallery() -> None:
    gallery = sorted(GALLERY.glob("*/models/*.onnx"))
    found = bench(
        python36.needed(),
        "ort",
        "--model",
        gallery[0],
        "--least",
        "3",
        "--seconds",
        "0",
        "--warmup",
        "0",
        "--limit",
        "30",
    )
    assert found["version"] == "1.10.0" and len(found["samples_ms"]) == 3


@pytest.mark.parametrize("free", ["batch", None, -1])
def test_a_free_dimension_is_one(oldest: Path, model: Callable[..., Path], free: str | int | None) -> None:
    path = model((free, 3, 8, 8))
    found = bench(oldest, "ort", "--model", path, "--least", "1", "--seconds", "0", "--warmup", "0", "--limit", "120")
    assert found["input"] == [1, 3, 8, 8]


def test_the_limit_ends_a_timing_with_the_samples_there_are(oldest: Path, model: Callable[..., Path]) -> None:
    found = bench(oldest, "ort", "--model", model(), "--least", "100000000", "--warmup", "0", "--limit", "1")
    assert 0 < len(found["samples_ms"]) < 100_000_000
    assert found["to_s"] < 60, "it went on beyond its limit of one second, for more than a busy machine explains"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_number_of_threads_is_told(model: Callable[..., Path], threads: str) -> None:
    options = ("--least", "1", "--seconds", "0", "--warmup", "0", "--limit", "120", "--threads", threads)
    found = bench(python36.either("this python"), "ort", "--model", model(), *options)
    assert found["threads"] == int(threads)


def test_a_file_that_is_no_model_is_refused_by_name(python: Path, tmp_path: Path) -> None:
    path = tree(tmp_path, {"broken.onnx": "no model"}) / "broken.onnx"
    said = bench(python, "ort", "--model", path, "--least", "1", "--limit", "120", code=1)["error"]
    assert said.startswith("ONNX Runtime cannot run broken.onnx: ")
    said = bench(python, "ort", "--model", tmp_path / "none.onnx", "--least", "1", "--limit", "120", code=1)["error"]
    assert said == f"there is no model {tmp_path / 'none.onnx'}"


def test_an_input_that_is_no_image_is_refused(oldest: Path, model: Callable[..., Path]) -> None:
    path = model(kind=TensorProto.DOUBLE)
    said = bench(oldest, "ort", "--model", path, "--least", "1", "--limit", "120", code=1)["error"]
    assert "only tensor(float) can be timed" in said or "cannot run" in said


def test_without_onnx_runtime_the_timing_says_so(model: Callable[..., Path]) -> None:
    python36.needed()
    base = python36.interpreter()
    assert base is not None
    said = bench(base, "ort", "--model", model(), "--least", "1", "--limit", "120", code=1)["error"]
    assert said == "the Python of this board has no ONNX Runtime"


def test_a_runtime_that_is_killed_for_memory_says_so(oldest: Path, model: Callable[..., Path], tmp_path: Path) -> None:
    modules = tree(tmp_path, {"onnxruntime.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"})
    options = ("--model", model(), "--least", "1", "--limit", "120")
    found = bench(oldest, "ort", *options, code=1, PYTHONPATH=str(modules))
    assert found["out_of_memory"] is True and "ran out of memory" in found["error"]


def test_the_leash_ends_a_timing(python: Path, model: Callable[..., Path]) -> None:
    with started(python, "ort", "--leash", "--model", model(), "--least", "100000000", "--limit", "60") as process:
        (child,) = wait_for(lambda: [c for c in psutil.Process(process.pid).children() if is_command(c, "ort-child")])
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(120) == 1
    wait_for(lambda: not runs(child.pid))


def is_command(process: psutil.Process, name: str) -> bool:
    """Whether a process is that command of bench.py: Python 3.6 starts others for a moment, such as uname."""
    try:
        return name in process.cmdline()
    except psutil.NoSuchProcess:
        return False
