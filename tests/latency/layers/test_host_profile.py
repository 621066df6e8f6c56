"""ONNX Runtime's profiles of real networks: nearly all of their time has the names of their own layers."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import WorkError
from engine.export import quantize
from engine.latency.layers import sessions
from engine.latency.layers.events import read_events
from engine.latency.layers.host_profile import Subject, profile_side_by_side
from engine.storage.store import GALLERY

RUN, IMAGE = "20261121-062843-dccc3ec7", (3, 24, 24)
POINTS = {number: GALLERY / RUN / "models" / f"p{number}.onnx" for number in (4, 20)}


def layer_names(number: int) -> set[str]:
    costs = json.loads((GALLERY / RUN / "models" / f"p{number}.layers.json").read_text())
    return {layer["name"] for layer in costs["layers"]}


def test_both_networks_are_known_layer_by_layer_and_nothing_but_copies_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_MOST", 3)
    in_8_bit = tmp_path / "p20.onnx"
    images = np.random.default_rng(0).standard_normal((4, *IMAGE), dtype=np.float32)
    quantize.quantize(POINTS[20], in_8_bit, [images])
    subjects = [Subject(RUN, number, file) for number, file in POINTS.items()] + [Subject(RUN, 20, in_8_bit, "int8")]
    reports: list[float] = []
    profiles = profile_side_by_side(subjects, IMAGE, 1, lambda done, _: reports.append(done))
    for made, number in zip(profiles, (4, 20, 20), strict=True):
        own = {name for layer in made.layers if layer.kind == "layer" for name in layer.layers}
        assert own == layer_names(number)
        assert not [layer for layer in made.layers if layer.kind == "unknown"]
        assert made.latency_ms and made.total_ms and made.count in (20, 30)  # as fast as the machine is
        assert (
            (made.threads, made.provider) == (1, "CPUExecutionProvider") and made.version and made.vector in (4, 8, 16)
        )
    first = {layer.layers[0]: layer for layer in profiles[0].layers if layer.kind == "layer"}
    assert (first["layer1.1.conv2"].ins, first["layer1.1.conv2"].outs) == (
        15,
        16,
    )  # as they are, not as kernels pad them
    assert first["fc"].bytes == 4 * (64 + 64 * 10 + 10)
    assert reports == sorted(reports) and reports[-1] == 1.0


def test_a_file_that_is_no_network_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "p1.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(WorkError, match=r"^ONNX Runtime cannot run p1\.onnx: "):
        profile_side_by_side([Subject(RUN, 1, file)], IMAGE, 1, lambda *_: None)


def test_of_the_profiler_s_whole_microseconds_a_median_is_found_between_them() -> None:
    def event(dur: int) -> dict[str, object]:
        sizes = {"activation_size": "8", "parameter_size": "4", "output_size": "4"}
        args = {"node_index": "7", "op_name": "Conv", **sizes}
        return {"cat": "Node", "name": "/conv/Conv_kernel_time", "dur": dur, "args": args}

    warm, *counted = [event(dur) for dur in (90, 3, 3, 3, 4)]
    (kernel,) = read_events(json.dumps([{"cat": "Session", "name": "model_run"}, warm, *counted]).encode(), range(1, 5))
    assert (kernel.name, kernel.operator, kernel.values, kernel.weights) == ("/conv/Conv", "Conv", 12, 4)
    assert 0.003 < kernel.ms < 0.004
    for broken in (b"[", b"[]", b'[{"cat": "Node", "name": "x_kernel_time"}]'):
        with pytest.raises(WorkError, match="ONNX Runtime wrote a profile"):
            read_events(broken, range(1, 5))
