"""A directory tree that stands in for the files and tools of a Jetson TX2, so that a whole timing can run against it.

bench.py takes ESPALIER_ROOT for /, and finds there what a TX2 has in /proc, /sys, /etc and /usr. The trtexec in it is
a script that prints the real formats of the version it was made for, measures latencies that it makes up, and keeps
each of them, so that every number of a measurement can be checked.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import python36

FAKES = Path(__file__).parent / "board_binaries"

GPU_HZ, GPU_LEAST_HZ = 1_300_500_000, 114_750_000
CPU_KHZ, CPU_LEAST_KHZ = 2_035_200, 345_600
CORES = 6
MODES = (
    {"name": "MAXN", "gpu_hz": GPU_HZ, "cpu_khz": CPU_KHZ},
    {"name": "MAXQ", "gpu_hz": 854_250_000, "cpu_khz": 1_267_200},
    {"name": "MAXP_CORE_ALL", "gpu_hz": 1_122_000_000, "cpu_khz": 1_420_800},
    {"name": "MAXP_CORE_ARM", "gpu_hz": 1_122_000_000, "cpu_khz": 2_035_200},
    {"name": "MAXP_CORE_DENVER", "gpu_hz": 1_122_000_000, "cpu_khz": 2_035_200},
)
TEMPERATURES = {
    "BCPU-therm": 41_500,
    "MCPU-therm": 41_500,
    "GPU-therm": 40_000,
    "PLL-therm": 41_500,
    "Tboard_tegra": 38_000,
    "Tdiode_tegra": 39_250,
    "PMIC-Die": 100_000,
    "thermal-fan-est": 41_200,
}
UNREADABLE_ZONE = "Tdiode_tegra"
RAILS = {
    "0-0040/iio:device0": {"VDD_SYS_GPU": 152, "VDD_SYS_SOC": 533, "VDD_4V0_WIFI": 19},
    "0-0041/iio:device1": {"VDD_IN": 5_200, "VDD_SYS_CPU": 610, "VDD_SYS_DDR": 980},
}
RELEASES = {"7.1": "R32 (release), REVISION: 4.4", "8.0": "R32 (release), REVISION: 6.1"}
RELEASE = "R32 (release), REVISION: 7.1"

BUILD, MEASURE, PROFILE = "build", "measure", "profile"
WHEN: dict[str, tuple[str, ...]] = {  # in which phase trtexec does what its mode says, if the test does not say
    "fails": (BUILD,),
    "oom": (BUILD,),
    "killed": (BUILD,),
    "crashes": (BUILD,),
    "silent": (MEASURE,),
    "stalls": (MEASURE,),
    "uncounted": (PROFILE,),
    "unprofiled": (PROFILE,),
}
MODES_OF_TRTEXEC = ("good", "warns", "nan", "missing", *WHEN)


@dataclass(frozen=True)
class Run:
    """What the trtexec of a board measured and told: each query after the warm-up, in milliseconds, unrounded."""

    argv: tuple[str, ...]
    model: str
    fp16: bool
    warmups: int
    walltime_s: float
    latency_ms: tuple[float, ...]
    gpu_ms: tuple[float, ...]
    h2d_ms: tuple[float, ...]
    d2h_ms: tuple[float, ...]


class Board:
    """The tree below `folder`. `tensorrt` None: the board has none.

    `trtexec` is one of MODES_OF_TRTEXEC, and `when` the phases in which it does what the mode says. `latencies` are the
    milliseconds of GPU compute by the SHA-256 of an ONNX file; a network without one gets its own. `slower` above 1
    makes the second half of a measurement so much slower, with a GPU clock that falls as much. `session` is what
    sessions have set besides. `power` is "good",
    "refuses" or "missing"; `sudo` is "allows", "refuses" or None for a board without it. `python` is the board's
    python3: a Python 3.6 where this machine has one, without ONNX Runtime unless the test gives one that has it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tensorrt: str | None = "8.2.1",
        trtexec: str = "good",
        when: Sequence[str] | None = None,
        latencies: Mapping[str, float] | None = None,
        operator: str = "HardSwish",
        slower: float = 1.0,
        build_s: float = 0.1,
        measure_s: float = 0.2,
        session: Mapping[str, str] | None = None,
        power: str = "good",
        sudo: str | None = None,
        mode: int = 0,
        python: Path | None = None,
    ) -> None:
        assert trtexec in MODES_OF_TRTEXEC, f"trtexec={trtexec!r}; there are {', '.join(MODES_OF_TRTEXEC)}"
        self.root = folder / "board"
        self.cache = folder / "cache"
        self._session = dict(session or {})
        self.python = python or python36.interpreter() or Path(sys.executable)
        self.tensorrt = tensorrt
        self.trtexec = self.root / "usr/src/tensorrt/bin/trtexec"
        self._settings: dict[str, Any] = {
            "version": [int(part) for part in (tensorrt or "0.0.0").split(".")],
            "mode": trtexec,
            "when": list(WHEN.get(trtexec, ()) if when is None else when),
            "latencies": dict(latencies or {}),
            "layers": {},
            "operator": operator,
            "slower": slower,
            "build_s": build_s,
            "measure_s": measure_s,
            "compute": "6.2",
            "needs_workspace": 0,
        }
        (self.root / "fake" / "runs").mkdir(parents=True)
        self.cache.mkdir()
        self._identity()
        self._sensors()
        self._clocks(mode)
        self._power_tools(power, sudo, mode)
        self._tensorrt(trtexec)

    def environment(self) -> dict[str, str]:
        """What a session on the board has to have set."""
        path = f"{self.python.parent}:{self.root}/usr/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        return {"ESPALIER_ROOT": str(self.root), "XDG_CACHE_HOME": str(self.cache), "PATH": path, **self._session}

    def behave(self, **settings: Any) -> None:
        """Changes how trtexec behaves from its next start on: mode, when, slower, needs_workspace in MiB …"""
        unknown = set(settings) - set(self._settings)
        assert not unknown, f"trtexec has no settings {unknown}"
        if "mode" in settings:
            settings.setdefault("when", WHEN.get(settings["mode"], ()))
        self._settings.update(settings)
        self._put("fake/trtexec.json", json.dumps(self._settings))

    def latency(self, onnx: Path, milliseconds: float) -> None:
        """The GPU compute time of a network in fp32."""
        digest = hashlib.sha256(onnx.read_bytes()).hexdigest()
        self.behave(latencies={**self._settings["latencies"], digest: milliseconds})

    def layers(self, onnx: Path, rows: Sequence[tuple[str, float]]) -> None:
        """The layers of a network, by their names, and the milliseconds of each."""
        digest = hashlib.sha256(onnx.read_bytes()).hexdigest()
        self.behave(layers={**self._settings["layers"], digest: [list(row) for row in rows]})

    def runs(self, model: str | None = None) -> list[Run]:
        """All measurements in order, or those of the network whose file has this SHA-256."""
        found = []
        for path in sorted((self.root / "fake" / "runs").iterdir()):
            raw: dict[str, Any] = json.loads(path.read_text())
            values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in raw.items()}
            found.append(Run(**values))
        return [run for run in found if model in (None, run.model)]

    def calls(self, tool: str | None = None) -> list[list[str]]:
        """Name and arguments of every call of a tool of the board, in order."""
        path = self.root / "fake" / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [call for call in map(json.loads, lines) if tool in (None, call[0])]

    def stalled(self) -> list[int]:
        """The processes that a stall left, trtexec and its child; empty as long as nothing stalls."""
        path = self.root / "fake" / "stalled.json"
        try:
            return list(json.loads(path.read_text())["pids"])
        except (FileNotFoundError, ValueError):
            return []

    @property
    def power_mode(self) -> int:
        return int((self.root / "fake" / "nvpmodel.status").read_text())

    def gpu_clocks(self) -> dict[str, int]:
        """The GPU's least, present and greatest clock in Hz."""
        return {name: int((self._gpu / f"{name}_freq").read_text()) for name in ("min", "cur", "max")}

    def _identity(self) -> None:
        self._put("proc/device-tree/model", "quill\0")
        self._put("proc/device-tree/compatible", "nvidia,p2597-0000+p3310-1000\0nvidia,quill\0nvidia,tegra186\0")
        release = RELEASES.get((self.tensorrt or "")[:3], RELEASE)
        more = "GCID: 29818004, BOARD: t186ref, EABI: aarch64, DATE: Sat Feb 19 17:07:00 UTC 2022"
        self._put("etc/nv_tegra_release", f"# {release}, {more}\n")
        self._put("etc/os-release", 'NAME="Ubuntu"\nVERSION_ID="18.04"\nPRETTY_NAME="Ubuntu 18.04.6 LTS"\n')
        self._put("proc/meminfo", "MemTotal: 8042472 kB\nMemFree: 1234568 kB\nMemAvailable: 6543208 kB\n")
        self._put("proc/uptime", "86400.25 500000.00\n")
        self._put("proc/sys/kernel/random/boot_id", "2b1c0c2e-6f0e-4a7d-9b8a-0123456789ab\n")

    def _sensors(self) -> None:
        for number, (name, millidegrees) in enumerate(TEMPERATURES.items()):
            zone = f"sys/devices/virtual/thermal/thermal_zone{number}"
            self._put(f"{zone}/type", f"{name}\n")
            if name == UNREADABLE_ZONE:
                (self.root / zone / "temp").mkdir()  # reading it fails, even for root
            else:
                self._put(f"{zone}/temp", f"{millidegrees}\n")
        for device, rails in RAILS.items():
            for number, (name, milliwatts) in enumerate(rails.items()):
                place = f"sys/bus/i2c/drivers/ina3221x/{device}"
                self._put(f"{place}/rail_name_{number}", f"{name}\n")
                self._put(f"{place}/in_power{number}_input", f"{milliwatts}\n")

    def _clocks(self, mode: int) -> None:
        self._gpu = self.root / "sys/devices/17000000.gp10b/devfreq/17000000.gp10b"
        told = {"cur": GPU_LEAST_HZ, "min": GPU_LEAST_HZ, "max": MODES[mode]["gpu_hz"]}
        for name, hertz in told.items():
            self._put(f"{self._gpu.relative_to(self.root)}/{name}_freq", f"{hertz}\n")
        for core in range(CORES):
            place = f"sys/devices/system/cpu/cpu{core}/cpufreq"
            kilohertz = {"min": CPU_LEAST_KHZ, "cur": CPU_LEAST_KHZ, "max": MODES[mode]["cpu_khz"]}
            for name, value in kilohertz.items():
                self._put(f"{place}/scaling_{name}_freq", f"{value}\n")

    def _power_tools(self, power: str, sudo: str | None, mode: int) -> None:
        assert power in ("good", "refuses", "missing"), power
        settings = {"modes": MODES, "refuses": power == "refuses", "sudo": sudo}
        limits = {"gpu_min_hz": GPU_LEAST_HZ, "cpu_min_khz": CPU_LEAST_KHZ}
        self._put("fake/power.json", json.dumps({**settings, **limits}))
        self._put("fake/nvpmodel.status", f"{mode}\n")
        tool = self._script("fake/power", FAKES / "power.py")
        names = [] if power == "missing" else ["usr/sbin/nvpmodel", "usr/bin/jetson_clocks"]
        for name in [*names, *(["usr/bin/sudo"] if sudo else [])]:
            link = self.root / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(tool)

    def _tensorrt(self, trtexec: str) -> None:
        if self.tensorrt is None:
            return
        libraries = self.root / "usr/lib/aarch64-linux-gnu"
        libraries.mkdir(parents=True)
        for name in ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser"):
            (libraries / f"{name}.so.{self.tensorrt}").touch()
            (libraries / f"{name}.so.{self.tensorrt.split('.')[0]}").symlink_to(f"{name}.so.{self.tensorrt}")
        if trtexec != "missing":
            self.behave()
            self._script("usr/src/tensorrt/bin/trtexec", FAKES / "trtexec.py")
            module = FAKES / "trtexec_report.py"
            self._put(f"usr/src/tensorrt/bin/{module.name}", module.read_text())

    def _put(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _script(self, name: str, source: Path) -> Path:
        """An executable copy that runs with the board's own Python, whatever a session's PATH is."""
        first, rest = source.read_text().split("\n", 1)
        assert first.startswith("#!")
        self._put(name, f"#!{self.python}\n{rest}")
        path = self.root / name
        path.chmod(0o755)
        return path
