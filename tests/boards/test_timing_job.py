"""A whole timing over a real sshd: what is sent, built and measured, and every number against the board's samples."""

import shutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine.boards import timing_job
from engine.boards.runtimes import Artifact
from engine.boards.timing_job import check_request
from engine.boards.trtexec.failure import EngineRefused
from engine.errors import RequestError, WorkError
from tests.support import python36
from tests.support.board import GPU_HZ
from tests.support.board_rig import Rig

VERSIONS = ("7.1.3", "8.0.1", "8.2.1", "8.4.1", "8.6.1", "10.3.0", "11.0.0")


def state(made: Any) -> tuple[str, str]:
    status = made.status()
    return status.state, status.message


@pytest.mark.parametrize("version", VERSIONS)
def test_every_number_comes_from_the_samples_of_each_version(rig: Callable[..., Rig], version: str) -> None:
    here = rig(tensorrt=version)
    made = here.timed(seconds=0.3)
    assert state(made) == ("done", "done")
    (found,), runs = here.measured(), here.board.runs()
    latency = np.concatenate([run.latency_ms for run in runs])
    assert found["n"] == len(latency) and found["rounds"] == len(runs)
    near = {"rel": 2e-3}  # trtexec prints and exports single precision
    assert found["p50_ms"] == pytest.approx(np.median(latency), **near)
    assert found["mean_ms"] == pytest.approx(latency.mean(), **near)
    for name, share in (("p90_ms", 90), ("p99_ms", 99)):
        needed = {"p90_ms": 64, "p99_ms": 662}[name]
        expected = np.percentile(latency, share) if len(latency) >= needed else None
        assert found[name] == (None if expected is None else pytest.approx(expected, **near))
    assert found["gpu_p50_ms"] == pytest.approx(np.median(np.concatenate([run.gpu_ms for run in runs])), **near)
    if version >= "8" or version.startswith("1"):
        for name in ("h2d", "d2h"):
            told = np.concatenate([getattr(run, f"{name}_ms") for run in runs])
            assert found[f"{name}_p50_ms"] == pytest.approx(np.median(told), abs=2e-4, **near)
    seconds = sum(run.walltime_s for run in runs)
    assert found["throughput_qps"] == pytest.approx(len(latency) / seconds, **near)
    assert (found["tool"], found["version"], found["precision"]) == ("trtexec", version, "fp32")
    assert found["board"].startswith("Jetson TX2") and found["power_mode"] == "MAXN" and found["transfers"] is True
    assert found["job"] == made.id and found["device"] == "tx2"
    if found["power_mw"] is not None:
        assert found["energy_mj"] == pytest.approx(found["power_mw"] * seconds / len(latency), **near)
    assert here.leftovers() == []


def test_an_account_of_tcsh_that_talks_and_has_one_session_is_timed_like_any_other(rig: Callable[..., Rig]) -> None:
    if shutil.which("tcsh") is None:
        pytest.skip("tcsh is not installed (apt-get install tcsh)")
    here = rig(config=["MaxSessions 1", 'ForceCommand echo Welcome; tcsh -c "$SSH_ORIGINAL_COMMAND"; exit'])
    assert state(here.timed()) == ("done", "done")
    assert len(here.measured()) == 1
    assert here.leftovers() == []


def test_power_is_the_total_rails_and_temperatures_are_before_within_and_after(rig: Callable[..., Rig]) -> None:
    here = rig(measure_s=0.6)
    here.timed()
    (found,) = here.measured()
    assert found["power_mw"] > 0 and found["energy_mj"] > 0
    assert "PMIC-Die" not in found["temperatures_c"] and "Tdiode_tegra" not in found["temperatures_c"]
    gpu = found["temperatures_c"]["GPU-therm"]
    assert gpu["before"] == 40.0 and gpu["max"] >= gpu["after"] - 1e-9


def test_networks_take_turns_and_each_gets_its_own_numbers(rig: Callable[..., Rig]) -> None:
    here = rig()
    for point, milliseconds in zip(here.points, (6.0, 2.0), strict=True):
        here.board.latency(here.onnx(point), milliseconds)
    made = here.timed(*here.points, rounds=3)
    assert state(made) == ("done", "done")
    order = [event["model"] for event in made.event_lines() if event["kind"] == "turn"]
    assert order[:6] == [str(point) for point in here.points] * 3
    slow, quick = (here.measured(point)[0] for point in here.points)
    assert slow["gpu_p50_ms"] == pytest.approx(6.0, rel=0.1) and quick["gpu_p50_ms"] == pytest.approx(2.0, rel=0.1)
    assert slow["interleaved_with"] == quick["interleaved_with"] == 1 and slow["at"] == quick["at"]
    samples = sorted(path.name for path in (made.path / "samples").iterdir())
    assert len(samples) == len(order) and all(
        "out" in path for path in [(made.path / "samples" / samples[0]).read_text()]
    )


def test_what_is_there_is_neither_sent_nor_built_again_but_for_another_precision(rig: Callable[..., Rig]) -> None:
    here = rig()
    first, second, half = here.timed(), here.timed(), here.timed(precision="fp16")

    def done(made: Any, kind: str, key: str) -> list[Any]:
        return [event[key] for event in made.event_lines() if event["kind"] == kind]

    assert done(first, "sent", "bytes")[0] > 0 and done(second, "sent", "bytes") == [0]
    assert done(first, "built", "cached") == [False] and done(second, "built", "cached") == [True]
    assert done(half, "sent", "bytes") == [0] and done(half, "built", "cached") == [False]
    assert [found["precision"] for found in here.measured()] == ["fp32", "fp32", "fp16"]
    assert here.measured()[2]["gpu_p50_ms"] < here.measured()[0]["gpu_p50_ms"]


def test_a_slow_network_ends_at_its_limit_with_fewer_percentiles(rig: Callable[..., Rig]) -> None:
    here = rig(measure_s=0.1)
    here.board.latency(here.onnx(here.points[0]), 400.0)
    made = here.timed(limit=10)
    (found,) = here.measured()
    assert state(made)[0] == "done" and found["n"] < 662 and found["p99_ms"] is None and found["p50_ms"] > 300


def test_settings_of_the_board_are_changed_only_when_asked_and_put_back(rig: Callable[..., Rig]) -> None:
    here = rig(mode=1)
    before = (here.board.power_mode, here.board.gpu_clocks())
    here.timed()
    assert here.measured()[0]["power_mode"] == "MAXQ"
    assert [call for call in here.board.calls("nvpmodel") if "-m" in call] == []
    made = here.timed(power_mode=0, max_clocks=True)
    found = here.measured()[1]
    assert state(made)[0] == "done" and found["power_mode"] == "MAXN" and found["clocks_locked"] is True
    assert found["gpu_hz"] is None or found["gpu_hz"]["median"] == GPU_HZ
    assert (here.board.power_mode, here.board.gpu_clocks()) == before and here.leftovers() == []


def test_a_board_without_tensorrt_is_timed_by_its_own_onnx_runtime(rig: Callable[..., Rig]) -> None:
    here = rig(tensorrt=None, python=python36.needed())
    made = here.timed(*here.points, threads=1)
    assert state(made) == ("done", "done")
    slow, quick = (here.measured(point)[0] for point in here.points)
    assert (slow["tool"], slow["version"], slow["provider"]) == ("onnxruntime", "1.10.0", "CPUExecutionProvider")
    assert slow["n"] >= 662 and slow["p99_ms"] is not None and slow["threads"] == 1
    assert slow["p50_ms"] > quick["p50_ms"] > 0


def test_fp16_without_tensorrt_is_refused_by_name(rig: Callable[..., Rig]) -> None:
    here = rig(tensorrt=None, python=python36.needed())
    assert "fp32 only" in state(here.timed(precision="fp16"))[1]


def test_a_throttled_board_says_so(rig: Callable[..., Rig]) -> None:
    here = rig(slower=1.6, measure_s=2.0)
    here.timed(rounds=1, max_clocks=True)
    found = here.measured()[0]
    assert found["throttled"] is True and "clock" in found["why_throttled"]


def test_what_is_not_there_is_refused_before_anything_is_queued(rig: Callable[..., Rig]) -> None:
    here = rig()
    known = here.points[0]
    for asked, word in (
        (here.request(device="nano"), "nano"),
        (here.request(known.model_copy(update={"point": 9999})), "no point 9999"),
        (here.request(known.model_copy(update={"run": "20200101-000000-00000000"})), "no run"),
        (here.request(known.model_copy(update={"point": 0})), "comes without"),
    ):
        with pytest.raises(RequestError, match=word):
            check_request(asked, here.store)


def test_a_network_that_the_board_cannot_read_is_refused_by_name_before_it_is_sent(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.boards.onnx_support import operators

    here = rig()
    monkeypatch.setattr(operators, "find_unlisted", lambda names, version: {"Conv": None})
    made = here.timed()
    assert state(made)[0] == "failed" and "Conv" in state(made)[1]
    assert not [event for event in made.event_lines() if event["kind"] == "sent"] and here.leftovers() == []


class Refusing:
    """A runtime whose board takes no engine, not even one that it has just built."""

    built = 0

    def prepare(self, *_: object) -> Artifact:
        self.built += 1
        return Artifact("/c/m.engine", cached=False)

    def measure(self, *_: object) -> object:
        raise EngineRefused("timing with trtexec failed: the engine was built for another GPU")


def test_an_engine_that_is_refused_again_is_not_built_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing_job, "_phase", lambda *_: None)
    monkeypatch.setattr(timing_job, "_remote_path", lambda *_: "/c/m.onnx")
    said: list[str] = []
    job: Any = SimpleNamespace(
        log=said.append, append_event=lambda _: None, status=lambda: SimpleNamespace(progress=0.5)
    )
    model: Any = SimpleNamespace(point="r.1", digest="0" * 64, image=(3, 8, 8))
    runtime: Any = Refusing()
    with pytest.raises(WorkError, match="another GPU, and it was built anew just now"):
        timing_job._measure_round(SimpleNamespace(), runtime, timing_job.NetworkTiming(model), job, 10, 1.0)  # type: ignore[arg-type]
    assert runtime.built == 1 and said == [
        "r.1: timing with trtexec failed: the engine was built for another GPU; it is built anew"
    ]
