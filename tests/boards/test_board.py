"""The stand-in for a board behaves as told, under the script that will meet it: what other tests rely on."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from engine.boards.agent import probe
from tests.support.board import GPU_HZ, GPU_LEAST_HZ, MODES, TEMPERATURES, UNREADABLE_ZONE, Board
from tests.support.board_files import AGENT_SCRIPT


def bench(board: Board, *arguments: str, limit: float = 180.0) -> dict[str, Any]:
    """The document of one command of bench.py, run by the board's own Python in its surroundings."""
    argv = [board.python, AGENT_SCRIPT, *arguments]
    environment = {**os.environ, **board.environment()}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=limit, env=environment)
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def run(board: Board, *argv: str, collect: Path | None = None, limit: str = "120") -> dict[str, Any]:
    more = ["--collect", str(collect)] if collect else []
    return bench(board, "run", "--limit", limit, "--hz", "50", *more, "--", *argv)


def make_engine(board: Board, folder: Path) -> Path:
    (folder / "m.onnx").write_bytes(b"a network")
    engine = folder / "m.engine"
    argv = [f"--onnx={folder / 'm.onnx'}", f"--saveEngine={engine}", "--shapes=input:1x3x8x8", "--buildOnly"]
    assert run(board, str(board.trtexec), *argv)["status"] == 0
    return engine


def measure(board: Board, engine: Path) -> dict[str, Any]:
    times = engine.with_suffix(".json")
    argv = [f"--loadEngine={engine}", "--shapes=input:1x3x8x8", "--duration=1", f"--exportTimes={times}"]
    return run(board, str(board.trtexec), *argv, collect=times)


def test_it_is_a_tx2_to_the_script_that_probes_it(tmp_path: Path):
    board = Board(tmp_path)
    told = probe.parse(bench(board, "probe"))
    assert told.board == "Jetson TX2, L4T 32.7.1"
    assert (told.tensorrt, told.jetpack, told.trtexec) == ("8.2.1", "4.6.1", str(board.trtexec))
    assert told.power_mode is not None and (told.power_mode.name, told.power_mode.id) == ("MAXN", 0)
    assert told.clocks.gpu_max_hz == GPU_HZ and told.clocks.locked is False
    readable = {name: value / 1000 for name, value in TEMPERATURES.items() if name != UNREADABLE_ZONE}
    assert told.temperatures == {**readable, UNREADABLE_ZONE: None}
    assert (told.total_rail, told.power_mw["VDD_IN"]) == ("VDD_IN", 5200)


@pytest.mark.parametrize(
    ("tensorrt", "trtexec", "told"),
    [(None, "good", (None, False)), ("8.2.1", "missing", ("8.2.1", False)), ("10.3.0", "good", ("10.3.0", True))],
)
def test_tensorrt_and_its_tool_may_be_missing(tmp_path: Path, tensorrt: str | None, trtexec: str, told: object):
    got = probe.parse(bench(Board(tmp_path, tensorrt=tensorrt, trtexec=trtexec), "probe"))
    assert (got.tensorrt, got.trtexec is not None) == told


def test_the_same_network_makes_the_same_engine(tmp_path: Path):
    board = Board(tmp_path, build_s=0.0)
    first = make_engine(board, tmp_path).read_bytes()
    assert make_engine(board, tmp_path).read_bytes() == first


def test_a_measurement_keeps_what_it_measured_and_takes_a_moment(tmp_path: Path):
    board = Board(tmp_path, build_s=0.0, measure_s=0.2)
    got = measure(board, make_engine(board, tmp_path))
    (kept,) = board.runs()
    assert got["status"] == 0 and 0.2 <= got["seconds"] < 10
    assert [row["latencyMs"] for row in got["collected"]][kept.warmups :] == pytest.approx(kept.latency_ms, rel=1e-5)
    assert set(got["sensors"]["power_mw"]["VDD_IN"]) == {5200}
    assert [call[0] for call in board.calls()] == ["trtexec", "trtexec"]


def test_a_board_that_throttles_slows_down_and_says_so(tmp_path: Path):
    board = Board(tmp_path, build_s=0.0, measure_s=0.6, slower=1.5)
    got = measure(board, make_engine(board, tmp_path))
    (kept,) = board.runs()
    assert sorted(kept.gpu_ms[-20:])[10] == pytest.approx(1.5 * sorted(kept.gpu_ms[:20])[10], rel=0.05)
    assert min(got["sensors"]["gpu_hz"]) < GPU_LEAST_HZ == max(got["sensors"]["gpu_hz"])
    assert board.gpu_clocks()["cur"] == GPU_LEAST_HZ


@pytest.mark.parametrize("phase", ["build", "measure"])
def test_a_stall_ends_with_all_its_processes_when_it_is_stopped(tmp_path: Path, phase: str):
    board = Board(tmp_path, build_s=0.0)
    engine = make_engine(board, tmp_path)
    board.behave(mode="stalls", when=[phase])
    argv = [f"--onnx={tmp_path / 'm.onnx'}", f"--saveEngine={tmp_path / 'n.engine'}"]
    argv = argv if phase == "build" else [f"--loadEngine={engine}"]
    got = run(board, str(board.trtexec), *argv, "--shapes=input:1x3x8x8", limit="1")
    assert got["timed_out"]
    pids = board.stalled()
    assert len(pids) == 2
    end = time.monotonic() + 60.0
    while any(_runs(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_a_trtexec_killed_for_memory_is_killed(tmp_path: Path):
    board = Board(tmp_path, build_s=0.0)
    engine = make_engine(board, tmp_path)
    board.behave(mode="killed", when=["measure"])
    got = measure(board, engine)
    assert (got["status"], got["out_of_memory"]) == (-9, True)


def hold(board: Board, *options: str) -> "subprocess.Popen[str]":
    argv = [board.python, AGENT_SCRIPT, "hold", "--folder", board.cache / "espalier", "--owner", "test", *options]
    environment = {**os.environ, **board.environment()}
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


def test_power_mode_and_clocks_change_and_come_back(tmp_path: Path):
    board = Board(tmp_path, mode=3)
    assert board.power_mode == 3
    before = board.gpu_clocks()
    with hold(board, "--power-mode", "0", "--max-clocks") as holder:
        assert holder.stdout is not None
        assert json.loads(holder.stdout.readline())["held"] is True
        assert board.power_mode == 0
        assert board.gpu_clocks() == {"min": GPU_HZ, "cur": GPU_HZ, "max": GPU_HZ}
        holder.communicate(timeout=120)
    assert (board.power_mode, board.gpu_clocks()) == (3, before)
    assert before["max"] == MODES[3]["gpu_hz"]


@pytest.mark.parametrize(("power", "words"), [("refuses", "NVPM ERROR"), ("missing", "tells no power mode")])
def test_power_tools_may_refuse_or_be_missing(tmp_path: Path, power: str, words: str):
    board = Board(tmp_path, power=power)
    with hold(board, "--power-mode", "1") as holder:
        assert holder.stdout is not None
        assert words in json.loads(holder.stdout.readline())["error"]


@pytest.mark.parametrize(("sudo", "status"), [("allows", 0), ("refuses", 1)])
def test_sudo_allows_or_refuses(tmp_path: Path, sudo: str, status: int):
    board = Board(tmp_path, sudo=sudo)
    argv = [board.root / "usr/bin/sudo", "-n", "true"]
    assert subprocess.run(argv, check=False, capture_output=True).returncode == status
