"""The layer profile of a whole timing over a real sshd: kept with it, in a run of its own, and lost without harm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from engine.boards.agent.session import Agent
from engine.boards.layers.profile import profile_layers
from engine.boards.runtimes import OnnxRuntime
from engine.spec import board_timing
from tests.support.board_rig import Rig
from tests.support.engine_layers import engine_layers, rows

HOSTILE = [('/conv1/Conv + "quoted"\\', 0.5), ("ünknown ☃", 0.0)]


def state(made: Any) -> tuple[str, str]:
    status = made.status()
    return status.state, status.message


def test_a_timing_keeps_what_the_layers_of_each_network_take(rig: Callable[..., Rig]) -> None:
    here = rig(tensorrt="8.6.1", measure_s=0.0)
    here.board.layers(here.onnx(here.points[0]), rows(engine_layers(here.onnx(here.points[0]), (8, 6, 1))))
    here.board.layers(here.onnx(here.points[1]), HOSTILE)
    made = here.timed(*here.points, rounds=1, layers=True)
    assert state(made) == ("done", "done")
    first, second = made.layers()
    assert [(each.run, each.point) for each in (first, second)] == [(each.run, each.point) for each in here.points]
    assert (first.tool, first.version, first.precision, first.why) == ("trtexec", "8.6.1", "fp32", None)
    assert first.named is not None and first.named > 0.95 and first.layers[1].layers == ("conv1",)
    assert [row.name for row in second.layers] == [name for name, _ in HOSTILE]
    assert [row.layers for row in second.layers] == [("conv1",), ()] and second.named == 1.0
    calls = [" ".join(call) for call in here.board.calls("trtexec")]
    profiled = [call for call in calls if "--exportProfile=" in call]
    assert len(profiled) == 2 and not any("--exportTimes=" in call for call in profiled)
    assert len(here.measured()) == 1 and len(here.board.runs()) == made.steps()
    assert here.leftovers() == [] and not list(here.board.cache.rglob("layers.json"))


def test_a_profile_that_fails_says_why_and_what_was_measured_stays(rig: Callable[..., Rig]) -> None:
    here = rig(trtexec="oom", when=["profile"], measure_s=0.0)
    made = here.timed(rounds=1, layers=True)
    assert state(made) == ("done", "done") and len(here.measured()) == 1
    (found,) = made.layers()
    assert found.layers == () and (found.why or "").startswith("timing the layers failed: the board ran out of memory")
    assert any("no layer profile: timing the layers failed" in line for line in made.log_tail())


def test_where_onnx_runtime_times_it_says_that_layers_need_tensorrt() -> None:
    point = {"run": "20260131-095959-0a1b2c3d", "point": 1}
    request = board_timing.parse({"device": "nano", "points": [point]})
    nobody = cast("Agent", None)  # who is not asked for anything
    runtime = OnnxRuntime(request, (1, 10, 0))
    found, seconds = profile_layers(nobody, runtime, request.points[0], Path("p1.onnx"), "/c/p1.onnx", (3, 8, 8))
    assert (found.layers, found.tool, seconds) == ((), "onnxruntime", 0.0)
    assert (found.why or "").endswith("layers are timed where the board has TensorRT")
