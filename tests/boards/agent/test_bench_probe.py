"""What the script on the board says of it: `bench.py probe`."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.boards.agent import bench as script
from tests.support import python36
from tests.support.board_files import GPU, bench, tree

BANNER = "#!/bin/sh\necho '&&&& RUNNING TensorRT.trtexec [TensorRT v{}] # trtexec --help'\n"
HWMON = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a tree the board of this very process."""
    return lambda root: monkeypatch.setenv("ESPALIER_ROOT", str(root))


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


@pytest.mark.parametrize(
    ("banner", "version"), [("8201", "8.2.1"), ("7103", "7.1.3"), ("100200", "10.2.0"), ("100300b17", "10.3.0")]
)
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


@pytest.mark.parametrize("before", [False, True])
def test_the_mark_of_ubuntus_sudo_goes_unless_it_was_there(
    here: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path, before: bool
) -> None:
    here(root)
    home = tree(tmp_path / "home", {"notes": ""})
    mark = home / ".sudo_as_admin_successful"
    if before:
        mark.touch()
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999_999)  # nobody's number, so that HOME counts
    monkeypatch.setenv("HOME", str(home))
    sudo = tree(tmp_path / "bin", {"sudo": f"#!/bin/sh\ntouch '{mark}'\n"})
    monkeypatch.setenv("PATH", str(sudo), prepend=os.pathsep)
    assert script.may_be_root() is True
    assert mark.exists() is before
