"""A small tree that stands in for a board's /proc, /sys, /etc and /usr, and how the tests call what runs on a board."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.places import AGENT_SCRIPT
from tests.support.storm import wait_for

GPU = "sys/devices/17000000.gp10b/devfreq/17000000.gp10b"
INA = "sys/bus/i2c/drivers/ina3221x"
TX2 = {
    "proc/device-tree/model": "quill\0",
    "proc/device-tree/compatible": "nvidia,p2597-0000+p3310-1000\0nvidia,quill\0nvidia,tegra186\0",
    "proc/meminfo": "MemTotal:        8048212 kB\nMemFree:          312552 kB\nMemAvailable:    5012348 kB\n",
    "proc/uptime": "5321.77 20112.40\n",
    "proc/sys/kernel/random/boot_id": "0f0e0d0c-0b0a-0908-0706-050403020100\n",
    "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t186ref, EABI: aarch64\n",
    "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 18.04.6 LTS"\nVERSION_ID="18.04"\n',
    "usr/lib/aarch64-linux-gnu/libnvinfer.so.8.2.1": "",
    "usr/lib/aarch64-linux-gnu/libnvinfer.so.8": "",
    "sys/devices/virtual/thermal/thermal_zone0/type": "BCPU-therm\n",
    "sys/devices/virtual/thermal/thermal_zone0/temp": "41500\n",
    "sys/devices/virtual/thermal/thermal_zone2/type": "GPU-therm\n",
    "sys/devices/virtual/thermal/thermal_zone2/temp": "40000\n",
    "sys/devices/virtual/thermal/thermal_zone10/type": "PMIC-Die\n",
    "sys/devices/virtual/thermal/thermal_zone10/temp": "100000\n",
    f"{GPU}/cur_freq": "114750000\n",
    f"{GPU}/min_freq": "114750000\n",
    f"{GPU}/max_freq": "1300500000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "345600\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "2035200\n",
    "sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": "2035200\n",
    "sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq": "2035200\n",
    f"{INA}/0-0040/iio:device0/rail_name_0": "VDD_SYS_GPU\n",
    f"{INA}/0-0040/iio:device0/in_power0_input": "152\n",
    f"{INA}/0-0041/iio:device1/rail_name_0": "VDD_IN\n",
    f"{INA}/0-0041/iio:device1/in_power0_input": "5200\n",
    f"{INA}/0-0041/iio:device1/rail_name_1": "VDD_SYS_CPU\n",
    f"{INA}/0-0041/iio:device1/in_power1_input": "610\n",
}


def tree(root: Path, files: Mapping[str, str]) -> Path:
    """Writes the files below `root`; what begins with #! may be run."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
    return root


def environment(root: Path | None, **more: str) -> dict[str, str]:
    return {**os.environ, **({} if root is None else {"ESPALIER_ROOT": str(root)}), "LC_ALL": "C", **more}


def started(python: Path, *argv: str | Path, root: Path | None = None, **more: str) -> subprocess.Popen[bytes]:
    """A command of bench.py that is running, with pipes on all its ends."""
    pipe = subprocess.PIPE
    command = [python, AGENT_SCRIPT, *argv]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(root, **more))


def bench(python: Path, *argv: str | Path, root: Path | None = None, code: int = 0, **more: str) -> dict[str, Any]:
    """What a command printed: one JSON document, on one line, and nothing else; its standard input stays open."""
    with started(python, *argv, root=root, **more) as process:
        out, err = process.stdout.read(), process.stderr.read().decode()  # type: ignore[union-attr]
        assert process.wait(120) == code, err + out.decode()
    assert out.count(b"\n") == 1 and out.endswith(b"\n"), out
    assert "Traceback" not in err
    document: dict[str, Any] = json.loads(out, parse_constant=lambda name: 1 / 0)
    assert ("error" in document) == (code != 0)
    return document


def runs(pid: int) -> bool:
    """Whether a process runs: it is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def number_in(path: Path) -> int:
    """The number that a process is to write there."""
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())
