"""What runs on the board, run here: by a real Python 3.6 with ONNX Runtime 1.10, and by the Python of the tests."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from engine.device.remote import bench as script
from tests.device import python36
from tests.device.bench_tree import GPU, INA, TX2, bench, number_in, runs, started, tree
from tests.jobs.harness import wait_for

GRANDCHILD = 'sleep 300 & echo $! > "$0"; wait'  # a shell that starts another process, and says which
BANNER = "#!/bin/sh\necho '&&&& RUNNING TensorRT.trtexec [TensorRT v{}] # trtexec --help'\n"
HWMON = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "board", TX2)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a tree the board of this very process."""
    return lambda root: monkeypatch.setenv("ESPALIER_ROOT", str(root))


# --- probe


def test_a_tx2_is_read_from_its_files(python: Path, root: Path) -> None:
    tree(root, {"usr/src/tensorrt/bin/trtexec": BANNER.format(8201)})
    said = "NVPM WARN: fan mode is not set!\\nNV Power Mode: MAXP_CORE_ARM\\n3"
    tree(root, {"usr/sbin/nvpmodel": f"#!/bin/sh\nprintf '{said}\\n'\n"})
    found = bench(python, "probe", root=root)
    expected = {
        "model": "quill",
        "compatible": ["nvidia,p2597-0000+p3310-1000", "nvidia,quill", "nvidia,tegra186"],
        "jetson": "tx2",
        "l4t": "32.7.1",
        "jetpack": "4.6.1",
        "tensorrt": "8.2.1",
        "trtexec": str(root / "usr/src/tensorrt/bin/trtexec"),
        "system": "Ubuntu 18.04.6 LTS",
        "power_mode": {"name": "MAXP_CORE_ARM", "id": 3},
        "clocks": {
            "gpu_hz": 114750000,
            "gpu_max_hz": 1300500000,
            "cpu_hz": [345600000, 2035200000],
            "cpu_max_hz": [2035200000, 2035200000],
            "locked": False,
        },
        "memory_total_bytes": 8048212 * 1024,
        "memory_free_bytes": 5012348 * 1024,
        "temperatures": {"BCPU-therm": 41.5, "GPU-therm": 40.0, "PMIC-Die": 100.0},
        "power_mw": {"VDD_SYS_GPU": 152, "VDD_IN": 5200, "VDD_SYS_CPU": 610},
        "total_rail": "VDD_IN",
        "uptime_s": 5321.77,
        "problems": [],
    }
    assert {name: found[name] for name in expected} == expected
    assert found["disk_free_bytes"] > 0 and found["cores"] >= 1 and abs(found["time"] - time.time()) < 60


def test_a_board_that_says_nothing_is_probed_all_the_same(oldest: Path, tmp_path: Path) -> None:
    found = bench(oldest, "probe", root=tmp_path)
    empty = ("model", "jetson", "l4t", "jetpack", "tensorrt", "trtexec", "system", "power_mode", "memory_total_bytes")
    assert [found[name] for name in empty] == [None] * len(empty)
    nothing = {"gpu_hz": None, "gpu_max_hz": None, "cpu_hz": [], "cpu_max_hz": [], "locked": None}
    assert (found["temperatures"], found["power_mw"], found["total_rail"], found["clocks"]) == ({}, {}, None, nothing)


def test_this_machine_is_a_board_too(python: Path) -> None:
    found = bench(python, "probe")
    assert found["memory_total_bytes"] > found["memory_free_bytes"] > 0
    assert found["uptime_s"] > 0 and found["machine"] and found["hostname"]


def test_onnx_runtime_is_found_with_its_providers(root: Path) -> None:
    found = bench(python36.needed(), "probe", root=root)
    assert (found["onnxruntime"], found["providers"], found["python"][:4]) == (
        "1.10.0",
        ["CPUExecutionProvider"],
        "3.6.",
    )


def test_a_board_without_onnx_runtime_is_no_problem(tmp_path: Path) -> None:
    python36.needed()
    base = python36.interpreter()
    assert base is not None
    found = bench(base, "probe", root=tmp_path)
    assert (found["onnxruntime"], found["providers"], found["problems"]) == (None, [], [])


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n", "importing it ended with status -4"),
        ("raise ImportError('libcudnn.so.8: cannot open')\n", "libcudnn.so.8: cannot open"),
    ],
)
def test_an_onnx_runtime_that_cannot_be_loaded_is_told(python: Path, tmp_path: Path, module: str, said: str) -> None:
    modules = tree(tmp_path / "modules", {"onnxruntime.py": module})
    found = bench(python, "probe", root=tmp_path / "board", PYTHONPATH=str(modules))
    assert found["onnxruntime"] is None
    assert found["problems"] == [f"ONNX Runtime cannot be loaded: {said}"]


@pytest.mark.parametrize(("banner", "version"), [("8201", "8.2.1"), ("7103", "7.1.3"), ("100200", "10.2.0")])
def test_without_the_library_the_banner_tells_the_version(
    here: Callable[[Path], None], tmp_path: Path, banner: str, version: str
) -> None:
    here(tmp_path)
    trtexec = tree(tmp_path, {"trtexec": BANNER.format(banner)}) / "trtexec"
    assert script.tensorrt_version(str(trtexec), []) == version


def test_a_trtexec_without_a_banner_is_a_problem_and_no_version(here: Callable[[Path], None], tmp_path: Path) -> None:
    here(tmp_path)
    problems: list[str] = []
    trtexec = tree(tmp_path, {"trtexec": "#!/bin/sh\nexit 1\n"}) / "trtexec"
    assert script.tensorrt_version(str(trtexec), problems) is None
    assert "does not say which TensorRT" in problems[0]


def test_a_trtexec_that_may_not_be_run_is_none(here: Callable[[Path], None], tmp_path: Path) -> None:
    here(tree(tmp_path, {"usr/src/tensorrt/bin/trtexec": "nothing"}))
    assert script.tool("usr/src/tensorrt/bin/trtexec") is None


@pytest.mark.parametrize(
    ("release", "l4t", "jetpack"),
    [
        ("# R32 (release), REVISION: 4.3, GCID: 1", "32.4.3", "4.4"),
        ("# R32 (release), REVISION: 5.0, GCID: 1", "32.5.0", "4.5"),
        ("# R32 (release), REVISION: 5, GCID: 1", "32.5", "4.5"),
        ("# R32 (release), REVISION: 7.4, GCID: 1", "32.7.4", "4.6.4"),
        ("# R99 (release), REVISION: 1.0, GCID: 1", "99.1.0", None),
        ("nothing of the kind", None, None),
    ],
)
def test_the_jetpack_follows_from_the_l4t(
    here: Callable[[Path], None], tmp_path: Path, release: str, l4t: str | None, jetpack: str | None
) -> None:
    here(tree(tmp_path, {"etc/nv_tegra_release": release}))
    assert (script.l4t_version(), script.jetpack_of(script.l4t_version())) == (l4t, jetpack)


@pytest.mark.parametrize(
    ("least", "now", "locked"), [("9", "9", True), ("9", "3", False), ("3", "9", False), ("", "9", None)]
)
def test_clocks_are_locked_when_least_present_and_most_are_one(
    here: Callable[[Path], None], tmp_path: Path, least: str, now: str, locked: bool | None
) -> None:
    here(tree(tmp_path, {f"{GPU}/max_freq": "9", f"{GPU}/min_freq": least, f"{GPU}/cur_freq": now}))
    assert script.Sensors().clocks()["locked"] is locked


def test_rails_of_newer_kernels_are_products_of_volts_and_amperes(here: Callable[[Path], None], tmp_path: Path) -> None:
    tree(tmp_path, {f"{HWMON}/in1_label": "VDD_IN\n", f"{HWMON}/in1_input": "5000\n", f"{HWMON}/curr1_input": "1500\n"})
    tree(tmp_path, {f"{HWMON}/in2_label": "NC\n", f"{HWMON}/in2_input": "0\n", f"{HWMON}/curr2_input": "0\n"})
    tree(tmp_path, {f"{HWMON}/in3_label": "VDD_SOC\n", f"{HWMON}/in3_input": "5000\n"})
    here(tmp_path)
    sensors = script.Sensors()
    assert (sensors.power_mw(), sensors.total_rail) == ({"VDD_IN": 7500.0, "VDD_SOC": None}, "VDD_IN")


def test_zones_of_one_type_are_told_apart(here: Callable[[Path], None], tmp_path: Path) -> None:
    for number in (0, 1, 2):
        zone = f"sys/devices/virtual/thermal/thermal_zone{number}"
        tree(tmp_path, {f"{zone}/type": "acpitz", f"{zone}/temp": f"{number}000"})
    here(tmp_path)
    assert script.Sensors().temperatures() == {"acpitz": 0.0, "acpitz-2": 1.0, "acpitz-3": 2.0}


@pytest.mark.parametrize(
    ("sudo", "may"),
    [
        ("exit 0", True),
        ("echo 'sudo: a password is required' >&2; exit 1", False),
        ('case "$*" in *nvpmodel*) exit 0;; *) exit 1;; esac', True),
    ],
)
def test_whether_sudo_does_without_a_password(
    here: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path, sudo: str, may: bool
) -> None:
    here(tree(root, {"usr/sbin/nvpmodel": "#!/bin/sh\n"}))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tree(tmp_path / "bin", {"sudo": f"#!/bin/sh\n{sudo}\n"})), prepend=os.pathsep)
    assert script.may_be_root() is may


# --- run


def test_a_command_s_status_and_both_its_streams_come_back(python: Path) -> None:
    found = bench(python, "run", "--limit", "20", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (found["status"], found["out"], found["err"]) == (7, "out\n", "err\n")
    assert not found["timed_out"] and not found["out_of_memory"]
    assert (found["collected"], found["collect_error"]) == (None, None)


def test_its_words_reach_it_as_they_are(python: Path, tmp_path: Path) -> None:
    words = ["; rm -rf ~", "a b", "'\"", "line\nbreak", "μ–☃", "-x", "--", "$HOME", "*"]
    show = 'for word in "$@"; do printf "%s\\0" "$word"; done'
    found = bench(python, "run", "--limit", "20", "--", "sh", "-c", show, "sh", *words)
    assert found["out"].split("\0")[:-1] == words


def test_three_megabytes_on_each_stream_neither_hang_nor_come_back_whole(python: Path) -> None:
    lines = "yes o | head -c 3000000; yes e | head -c 3000000 >&2; echo end; echo END >&2"
    found = bench(python, "run", "--limit", "20", "--", "sh", "-c", lines)
    assert (len(found["out"]), len(found["err"])) == (1 << 20, 1 << 20)
    assert found["out"].endswith("o\nend\n") and found["err"].endswith("e\nEND\n")


def test_the_limit_kills_the_whole_group(python: Path, tmp_path: Path) -> None:
    found = bench(python, "run", "--limit", "0.4", "--", "sh", "-c", GRANDCHILD, tmp_path / "pid")
    assert found["timed_out"] and found["status"] == -signal.SIGKILL and not found["out_of_memory"]
    assert 0.4 <= found["seconds"] < 5
    pid = number_in(tmp_path / "pid")
    wait_for(lambda: not runs(pid))


def test_what_a_command_leaves_behind_is_killed(oldest: Path, tmp_path: Path) -> None:
    found = bench(oldest, "run", "--limit", "20", "--", "sh", "-c", 'sleep 300 & echo $! > "$0"', tmp_path / "pid")
    assert found["status"] == 0
    pid = number_in(tmp_path / "pid")
    wait_for(lambda: not runs(pid))


def test_a_process_that_left_the_group_and_keeps_the_pipes_is_not_waited_for(tmp_path: Path) -> None:
    lines = 'setsid sleep 300 & echo $! > "$0"'
    began = time.monotonic()
    bench(python36.either("this python"), "run", "--limit", "20", "--", "sh", "-c", lines, tmp_path / "pid")
    assert time.monotonic() - began < 10
    os.kill(number_in(tmp_path / "pid"), signal.SIGKILL)


@pytest.mark.parametrize("end", ["the leash", "SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_nothing_of_a_command_outlives_its_supervisor(python: Path, tmp_path: Path, end: str) -> None:
    with started(python, "run", "--leash", "--limit", "60", "--", "sh", "-c", GRANDCHILD, tmp_path / "pid") as process:
        grandchild = number_in(tmp_path / "pid")
        shell = int(Path(f"/proc/{grandchild}/stat").read_text().rpartition(")")[2].split()[1])
        if end == "the leash":
            process.stdin.close()  # type: ignore[union-attr]
        else:
            process.send_signal(signal.Signals[end])
        process.wait(10)
        out = process.stdout.read()  # type: ignore[union-attr]
    wait_for(lambda: not runs(shell))
    if end == "SIGKILL":  # the kernel sees to the command itself; what that started is its own business
        os.kill(grandchild, signal.SIGKILL)
        return
    wait_for(lambda: not runs(grandchild))
    assert process.returncode == 1
    assert json.loads(out)["error"].startswith("ended by SIG")


def test_a_signal_while_the_command_is_being_started_leaves_nothing_either(oldest: Path, tmp_path: Path) -> None:
    mark = f"ESPALIER_MARK={tmp_path}"
    for delay in range(40, 140, 10):
        words = ("run", "--limit", "60", "--", "sh", "-c", "sleep 300 & sleep 300 & wait")
        with started(oldest, *words, ESPALIER_MARK=str(tmp_path)) as process:
            time.sleep(delay / 1e3)
            process.terminate()
            assert process.wait(10) in (1, -signal.SIGTERM), "its own end, or before it could listen"
    wait_for(lambda: marked(mark.encode()) == [])


def marked(mark: bytes) -> list[int]:
    """The processes that live with this in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def test_without_the_leash_an_input_that_ends_ends_nothing(oldest: Path) -> None:
    with started(oldest, "run", "--limit", "20", "--", "sh", "-c", "sleep 0.3; echo done") as process:
        process.stdin.close()  # type: ignore[union-attr]
        assert json.loads(process.stdout.read())["out"] == "done\n"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lines", "out_of_memory"),
    [
        ("kill -9 $$", True),
        ("exit 137", True),
        ("echo '[E] Error Code 1: Cuda Runtime (Out Of Memory)' >&2; exit 1", True),
        ("echo 'OutOfMemory (no further information)'; exit 1", True),
        ("echo 'terminate called after throwing std::bad_alloc'; exit 134", True),
        ("echo '[W] a tactic was skipped: out of memory' >&2; exit 0", False),
        ("kill -11 $$", False),
    ],
)
def test_running_out_of_memory_is_told_from_other_ends(lines: str, out_of_memory: bool) -> None:
    found = bench(python36.either("this python"), "run", "--limit", "20", "--", "sh", "-c", lines)
    assert found["out_of_memory"] is out_of_memory


def test_the_file_that_a_command_writes_is_brought_back_and_removed(python: Path, tmp_path: Path) -> None:
    times = tmp_path / "times.json"
    found = bench(
        python,
        "run",
        "--limit",
        "20",
        "--collect",
        times,
        "--",
        "sh",
        "-c",
        'echo \'[{"computeMs": 1.5}]\' > "$0"',
        times,
    )
    assert (found["collected"], found["collect_error"]) == ([{"computeMs": 1.5}], None)
    assert not times.exists()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("true", "times.json was not written"),
        ("echo '[1, nan]' > \"$0\"", "times.json cannot be read: Expecting value"),
        ("echo '[1, NaN]' > \"$0\"", "times.json cannot be read: it holds NaN"),
        ("echo '[1, -Infinity]' > \"$0\"", "times.json cannot be read: it holds -Infinity"),
        ("printf '[1,' > \"$0\"", "times.json cannot be read: Expecting value"),
        ('printf \'["\\377"]\' > "$0"', "times.json cannot be read: 'utf-8' codec"),
    ],
)
def test_a_file_that_cannot_be_brought_back_says_why(oldest: Path, tmp_path: Path, lines: str, why: str) -> None:
    times = tree(tmp_path, {"times.json": "[1]"}) / "times.json"  # of another time: never to be taken for this one's
    found = bench(oldest, "run", "--limit", "20", "--collect", times, "--", "sh", "-c", lines, times)
    assert found["collected"] is None
    assert found["collect_error"].startswith(why)
    assert found["status"] == 0


def test_a_command_that_cannot_start_is_an_error(oldest: Path) -> None:
    found = bench(oldest, "run", "--limit", "20", "--", "/no/such/trtexec", code=1)
    assert found["error"] == "cannot start /no/such/trtexec: No such file or directory"


# --- sensors


def test_the_sensors_are_recorded_while_the_command_runs(python: Path, root: Path) -> None:
    lines = f"""
        sleep 0.3
        echo 61250 > '{root}/sys/devices/virtual/thermal/thermal_zone2/temp'
        echo 1300500000 > '{root}/{GPU}/cur_freq'
        echo 9100 > '{root}/{INA}/0-0041/iio:device1/in_power0_input'
        echo 1881600 > '{root}/sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq'
        sleep 0.3
    """
    sensors = bench(python, "run", "--limit", "20", "--hz", "20", "--", "sh", "-c", lines, root=root)["sensors"]
    times = sensors["t"]
    assert len(times) >= 8 and 0 <= times[0] < 0.1 and times[-1] >= 0.6
    assert all(0 < later - earlier < 0.5 for earlier, later in pairwise(times))
    series = [*sensors["temperatures"].values(), sensors["gpu_hz"], sensors["cpu_hz"], *sensors["power_mw"].values()]
    assert {len(values) for values in series} == {len(times)}
    gpu = sensors["temperatures"]["GPU-therm"]
    assert (gpu[0], gpu[-1]) == (40.0, 61.25)
    assert (sensors["gpu_hz"][0], sensors["gpu_hz"][-1]) == (114750000, 1300500000)
    assert (sensors["cpu_hz"][0], sensors["cpu_hz"][-1]) == (2035200000, 1881600000)
    assert (sensors["power_mw"]["VDD_IN"][0], sensors["power_mw"]["VDD_IN"][-1]) == (5200, 9100)
    assert sensors["total_rail"] == "VDD_IN"


def test_a_sensor_that_fails_leaves_a_gap_and_nothing_else(python: Path, root: Path) -> None:
    lines = f"""
        sleep 0.2
        rm '{root}/sys/devices/virtual/thermal/thermal_zone2/temp'
        echo 'n/a' > '{root}/{GPU}/cur_freq'
        : > '{root}/{INA}/0-0041/iio:device1/in_power0_input'
        rm -r '{root}/sys/devices/system/cpu'
        sleep 0.2
    """
    found = bench(python, "run", "--limit", "20", "--hz", "20", "--", "sh", "-c", lines, root=root)
    sensors = found["sensors"]
    broken = [sensors["temperatures"]["GPU-therm"], sensors["gpu_hz"], sensors["cpu_hz"], sensors["power_mw"]["VDD_IN"]]
    assert found["status"] == 0
    assert all(values[0] is not None and values[-1] is None for values in broken)
    assert set(sensors["temperatures"]["BCPU-therm"]) == {41.5}


# --- ort


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
    gallery = sorted((Path(__file__).parents[2] / "results" / "gallery").glob("*/models/*.onnx"))
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
    found = bench(oldest, "ort", "--model", path, "--least", "1", "--seconds", "0", "--warmup", "0", "--limit", "30")
    assert found["input"] == [1, 3, 8, 8]


def test_the_limit_ends_a_timing_with_the_samples_there_are(oldest: Path, model: Callable[..., Path]) -> None:
    found = bench(oldest, "ort", "--model", model(), "--least", "100000000", "--warmup", "0", "--limit", "1")
    assert 0 < len(found["samples_ms"]) < 100_000_000
    assert found["to_s"] < 2


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_number_of_threads_is_told(model: Callable[..., Path], threads: str) -> None:
    options = ("--least", "1", "--seconds", "0", "--warmup", "0", "--limit", "30", "--threads", threads)
    found = bench(python36.either("this python"), "ort", "--model", model(), *options)
    assert found["threads"] == int(threads)


def test_a_file_that_is_no_model_is_refused_by_name(python: Path, tmp_path: Path) -> None:
    path = tree(tmp_path, {"broken.onnx": "no model"}) / "broken.onnx"
    said = bench(python, "ort", "--model", path, "--least", "1", "--limit", "30", code=1)["error"]
    assert said.startswith("ONNX Runtime cannot run broken.onnx: ")
    said = bench(python, "ort", "--model", tmp_path / "none.onnx", "--least", "1", "--limit", "30", code=1)["error"]
    assert said == f"there is no model {tmp_path / 'none.onnx'}"


def test_an_input_that_is_no_image_is_refused(oldest: Path, model: Callable[..., Path]) -> None:
    path = model(kind=TensorProto.DOUBLE)
    said = bench(oldest, "ort", "--model", path, "--least", "1", "--limit", "30", code=1)["error"]
    assert "only tensor(float) can be timed" in said or "cannot run" in said


def test_without_onnx_runtime_the_timing_says_so(model: Callable[..., Path]) -> None:
    python36.needed()
    base = python36.interpreter()
    assert base is not None
    said = bench(base, "ort", "--model", model(), "--least", "1", "--limit", "30", code=1)["error"]
    assert said == "the Python of this board has no ONNX Runtime"


def test_a_runtime_that_is_killed_for_memory_says_so(oldest: Path, model: Callable[..., Path], tmp_path: Path) -> None:
    modules = tree(tmp_path, {"onnxruntime.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"})
    options = ("--model", model(), "--least", "1", "--limit", "30")
    found = bench(oldest, "ort", *options, code=1, PYTHONPATH=str(modules))
    assert found["out_of_memory"] is True and "ran out of memory" in found["error"]


def test_the_leash_ends_a_timing(python: Path, model: Callable[..., Path]) -> None:
    with started(python, "ort", "--leash", "--model", model(), "--least", "100000000", "--limit", "60") as process:
        (child,) = wait_for(lambda: [c for c in psutil.Process(process.pid).children() if is_command(c, "ort-child")])
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(10) == 1
    wait_for(lambda: not runs(child.pid))


def is_command(process: psutil.Process, name: str) -> bool:
    """Whether a process is that command of bench.py: Python 3.6 starts others for a moment, such as uname."""
    try:
        return name in process.cmdline()
    except psutil.NoSuchProcess:
        return False


# --- tidy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache folder whose files are 1000 bytes each, last used one to six days ago."""
    files = ["models/a.onnx", "engines/a.engine", "bench-1.py", "models/b.onnx", "engines/b.engine", "models/c.onnx"]
    others = ["restore.json", "clocks.before", "lock", "notes.txt"]
    cache = tree(tmp_path / "espalier", dict.fromkeys([*files, *others], "x" * 1000))
    for days, name in enumerate(files, 1):
        used(cache / name, days)
    for name in others:
        used(cache / name, 1000)
    return cache


def used(path: Path, days: float) -> None:
    at = time.time() - days * 86400
    os.utime(path, (at, at))


def tidied(python: Path, folder: Path, most: int, days: float, *keep: str) -> dict[str, object]:
    limits = ("--most-bytes", str(most), "--older-days", str(days))
    return bench(python, "tidy", "--folder", folder, *limits, *(("--keep", *keep) if keep else ()))


def test_what_is_too_old_goes(python: Path, folder: Path) -> None:
    found = tidied(python, folder, 10**9, 3.5)
    assert found == {
        "removed": ["models/c.onnx", "engines/b.engine", "models/b.onnx"],
        "freed_bytes": 3000,
        "kept_bytes": 3000,
    }
    assert not (folder / "models/c.onnx").exists() and (folder / "models/a.onnx").exists()


def test_what_was_not_used_for_longest_goes_until_the_rest_is_small_enough(oldest: Path, folder: Path) -> None:
    found = tidied(oldest, folder, 4500, 1000)
    assert (found["removed"], found["kept_bytes"]) == (["models/c.onnx", "engines/b.engine"], 4000)


def test_what_is_to_be_kept_stays_and_counts(oldest: Path, folder: Path) -> None:
    found = tidied(oldest, folder, 3000, 1000, "c.onnx", "engines/b.engine")
    assert found["removed"] == ["models/b.onnx", "bench-1.py", "engines/a.engine"]
    assert (folder / "models/c.onnx").exists() and (folder / "engines/b.engine").exists()


def test_lock_settings_and_strangers_are_never_touched(oldest: Path, folder: Path) -> None:
    tidied(oldest, folder, 0, 0)
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "clocks.before",
        "lock",
        "notes.txt",
        "restore.json",
    ]


def test_uploads_that_were_given_up_go_and_those_under_way_stay(oldest: Path, folder: Path) -> None:
    tree(folder, {"models/d.onnx.part": "x", "models/e.onnx.part": "x", "f.part": "x"})
    used(folder / "models/d.onnx.part", 0.1)
    used(folder / "f.part", -30)  # the clock was set back meanwhile
    assert tidied(oldest, folder, 10**9, 1000)["removed"] == ["models/d.onnx.part"]


def test_a_link_goes_and_not_what_it_points_to(oldest: Path, folder: Path) -> None:
    (folder / "models/link.onnx").symlink_to(folder / "notes.txt")
    tidied(oldest, folder, 0, 0)
    assert (folder / "notes.txt").exists() and not (folder / "models/link.onnx").is_symlink()


def test_the_script_that_tidies_stays(folder: Path) -> None:
    copy = folder / "bench-2.py"
    copy.write_bytes((Path(__file__).parents[2] / "engine/device/remote/bench.py").read_bytes())
    used(copy, 1000)
    python = python36.either("this python")
    done = subprocess.run(
        [python, copy, "tidy", "--folder", folder, "--most-bytes", "0", "--older-days", "0"],
        capture_output=True,
        check=True,
    )
    assert len(json.loads(done.stdout)["removed"]) == 6 and copy.exists()


def test_a_folder_that_is_not_there_is_tidy(oldest: Path, tmp_path: Path) -> None:
    assert tidied(oldest, tmp_path / "none", 0, 0) == {"removed": [], "freed_bytes": 0, "kept_bytes": 0}


# --- requests


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "say what to do"),
        (("dance",), "invalid choice"),
        (("run", "--limit", "5"), "takes a command"),
        (("probe", "--", "ls"), "takes a command"),
        (("run", "--", "ls"), "--limit"),
        (("run", "--limit", "nan", "--", "ls"), "'nan' is not between"),
        (("run", "--limit", "-1", "--", "ls"), "'-1' is not between"),
        (("run", "--limit", "5", "--hz", "0", "--", "ls"), "'0' is not between"),
        (("run", "--lim", "5", "--", "ls"), "--limit"),
        (("hold", "--folder", "x", "--owner", "me", "--power-mode", "; reboot"), "is not between"),
        (("ort", "--model", "m", "--least", "0", "--limit", "5"), "'0' is not between"),
        (("tidy", "--folder", "x", "--most-bytes", "1e3", "--older-days", "1"), "'1e3' is not between"),
    ],
)
def test_a_wrong_request_is_refused_in_one_sentence(oldest: Path, argv: tuple[str, ...], said: str) -> None:
    assert said in bench(oldest, *argv, code=2)["error"]
