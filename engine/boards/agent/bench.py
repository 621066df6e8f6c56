"""Espalier's agent on a board: this one file is copied there and run by the Python the board has, from 3.6 on.

    probe  what this board is                         hold  take the board, keep it, put its settings back
    run    run a command and record the sensors       ort   time a network with ONNX Runtime
    tidy   clean the cache folder

Each command prints one JSON document on standard output and nothing else there. An error is {"error": "one sentence"},
with exit code 1, or 2 when the request was wrong. SIGTERM, SIGHUP, SIGINT, and with --leash the end of standard input,
end a command and all that it started. ESPALIER_ROOT stands in for / where /proc, /sys, /etc and /usr are read, and its
board is another one than that of /.

Waits are sleeps and selects, never locks with a timeout: those follow the wall clock in old Pythons, and the clock of a
board without a battery jumps by years when the network sets it.
"""
# The newer forms that these rules ask for are not in Python 3.6.
# ruff: noqa: UP006, UP035, UP045, PTH100, PTH111, PTH116

import argparse
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import pwd
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

Document = Dict[str, Any]

KEPT_BYTES = 1 << 20  # of each stream of a command
CUDA_CACHE_BYTES = 256 << 20
COLLECTED_BYTES = 128 << 20  # the largest file that is read back from a command
POLL_S, TOOL_LIMIT_S, QUESTION_LIMIT_S = 0.02, 30.0, 10.0
BEAT_S, STALE_S, SILENCE_S = 5.0, 120.0, 60.0
PART_AGE_S = 600.0  # an upload that nobody wrote to for so long was given up
NO_RUNTIME = "the Python of this board has no ONNX Runtime"
ROOT_GRACE_S = 5.0  # a tool that sudo runs cannot be killed
ORT_GRACE_S = 5.0  # a query that is under way at the limit may end
OUT_OF_MEMORY = re.compile(r"out ?of ?memory|bad_alloc", re.IGNORECASE)
TOTAL_RAILS = ("VDD_IN", "POM_5V_IN", "VIN")  # TX2, Xavier NX, Orin NX and Nano; Nano; Thor
ALWAYS_TOTAL = ("tx2", "nano")  # their other rails are parts of parts, and are no total when added up
POWER_MONITORS = ("ina3221", "ina238")
OFF_C = -200.0  # a zone without power reads -256 °C, or less
CHIPS = (
    ("tegra186", "tx2"),
    ("tegra194", "xavier"),
    ("tegra234", "orin"),
    ("tegra264", "thor"),
    ("tegra210", "nano"),
    ("tegra124", "tk1"),
)
# fmt: off
JETPACKS = {  # by L4T
    "32.1.0": "4.2", "32.2.0": "4.2.1", "32.2.1": "4.2.2", "32.2.3": "4.2.3", "32.3.1": "4.3", "32.4.3": "4.4",
    "32.4.4": "4.4.1", "32.5.0": "4.5", "32.5.1": "4.5.1", "32.5.2": "4.5.1", "32.6.1": "4.6", "32.7.1": "4.6.1",
    "32.7.2": "4.6.2", "32.7.3": "4.6.3", "32.7.4": "4.6.4", "32.7.5": "4.6.5", "32.7.6": "4.6.6", "35.1.0": "5.0.2",
    "35.2.1": "5.1", "35.3.1": "5.1.1", "35.4.1": "5.1.2", "35.5.0": "5.1.3", "35.6.0": "5.1.4", "35.6.1": "5.1.5",
    "35.6.4": "5.1.6", "36.3.0": "6.0", "36.4.0": "6.1", "36.4.3": "6.2", "36.4.4": "6.2.1", "36.4.7": "6.2.1",
    "36.5.0": "6.2.2", "38.2.0": "7.0", "38.2.1": "7.0", "38.2.2": "7.0", "38.4.0": "7.1", "39.2.0": "7.2",
}
# fmt: on


class Refused(Exception):
    """The request was wrong."""


class Failed(Exception):
    """The work failed; what the document says beside the sentence is in `more`."""

    def __init__(self, sentence: str, **more: Any) -> None:
        super().__init__(sentence)
        self.more = more


class Ended(BaseException):
    """A signal or the leash ended this command."""


# --- documents and signals


def emit(document: Document) -> None:
    """Prints the document. Names that came in as undecodable bytes, as in the C locale, leave as those bytes."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
    data = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode("utf-8")
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more, and so nothing can be told
        while data:
            data = data[os.write(1, data) :]


class SignalHandler:
    """The signals that end this command: the first becomes Ended in the main thread, later ones find it cleaning up.

    While a process is started or runs, Ended is deferred until `raise_pending`, lest it falls between start and guard.
    """

    def __init__(self) -> None:
        self.caught: Optional[str] = None
        self.raised = self.deferred = False

    def listen(self) -> None:
        for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(each, self._hear)

    def raise_pending(self) -> None:
        """Raises Ended when a signal has come, once."""
        if self.caught and not self.raised:
            self.raised = True
            raise Ended(self.caught)

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False
        self.raise_pending()

    def _hear(self, number: int, _frame: Any) -> None:
        self.caught = self.caught or signal.Signals(number).name
        if not self.deferred:
            self.raise_pending()


SIGNALS = SignalHandler()


def leash(silence: Optional[float] = None) -> None:
    """Ends this command when standard input does, or brings nothing for `silence` seconds."""

    def watch() -> None:
        with contextlib.suppress(OSError):  # an input that cannot be read has ended
            while select.select([0], [], [], silence)[0] and os.read(0, 4096):
                continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


# --- reading the board's files


def board_path(path: str) -> Path:
    """The path on this board; below ESPALIER_ROOT if there is one."""
    return Path(os.environ.get("ESPALIER_ROOT") or "/") / path


def read_text(path: Path) -> Optional[str]:
    """The text of a small file without the NUL or newline at its end; None when it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return None


def read_number(path: Path) -> Optional[int]:
    """The whole number in a file; None when it cannot be read or is none."""
    try:
        return int(read_text(path) or "")
    except ValueError:
        return None


def glob_sorted(*patterns: str) -> List[Path]:
    """The files that match, in a natural order: zone2 before zone10."""
    paths = [path for pattern in patterns for path in board_path("").glob(pattern)]
    return sorted(paths, key=lambda path: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", str(path))])


def without_doubles(paths: List[Path]) -> List[Path]:
    """The first of each, for /sys has several names for one place."""
    places: Dict[str, Path] = {}
    for path in paths:
        places.setdefault(os.path.realpath(str(path)), path)
    return list(places.values())


class Gauge(NamedTuple):
    """A value in files: the product of their whole numbers over a divisor; what is not above `floor` is none."""

    files: Tuple[Path, ...]
    divisor: int = 1
    floor: float = -float("inf")

    def read(self) -> Optional[float]:
        """The value; None when a file cannot be read now."""
        product = 1
        for file in self.files:
            number = read_number(file)
            if number is None:
                return None
            product *= number
        value = product / self.divisor
        return value if value > self.floor else None

    def why_unread(self) -> str:
        """Why there is no value now."""
        for file in self.files:
            try:
                file.read_bytes()
            except OSError as error:
                return os.strerror(error.errno or 0)
        return "what it says is no number"


class Sensors:
    """What can be read on this board while it works: files found once, values read often; None for a failed read.

    `total_rail` is the rail of the whole board. On a board that has none it is the sum of those with a name.
    """

    def __init__(self) -> None:
        self.zones, self.rails = number_names(thermal_zones()), number_names(power_rails())
        self.total_rail = next((name for name in TOTAL_RAILS if name in self.rails), None)
        self.summands = () if self.total_rail or jetson() in ALWAYS_TOTAL else tuple(self.rails)
        if self.summands:
            self.total_rail = "sum of {}".format(", ".join(self.summands))
        self.gpu = next((path for path in gpus() if (path / "cur_freq").exists()), None)
        self.cores = glob_sorted("sys/devices/system/cpu/cpu[0-9]*/cpufreq")

    def temperatures(self) -> Document:
        """Degrees Celsius by the type of thermal zone."""
        return {name: gauge.read() for name, gauge in self.zones.items()}

    def power_mw(self) -> Document:
        """Milliwatts by rail, the sum of them included where that stands for the total."""
        values = {name: gauge.read() for name, gauge in self.rails.items()}
        if self.summands and self.total_rail:
            parts = [values[name] for name in self.summands]
            known = [part for part in parts if part is not None]
            values[self.total_rail] = sum(known) if len(known) == len(parts) else None
        return values

    def why_no_power(self) -> Optional[str]:
        """Why the board's power cannot be read now; None where it can."""
        if not self.rails:
            known = ", ".join(POWER_MONITORS).upper()
            return f"the board has no power monitor that is known here ({known}) and names its rails"
        if self.total_rail is None:
            names = ", ".join(self.rails)
            return f"the rail of the whole board ({TOTAL_RAILS[0]} or {TOTAL_RAILS[1]}) is not among its rails: {names}"
        for name in self.summands or (self.total_rail,):
            if self.rails[name].read() is None:
                short = ", and a sum without it would be too small" if self.summands else ""
                return f"its rail {name} could not be read ({self.rails[name].why_unread()}){short}"
        return None

    def gpu_hz(self, which: str = "cur_freq") -> Optional[int]:
        return None if self.gpu is None else read_number(self.gpu / which)

    def cpu_hz(self, which: str = "scaling_cur_freq") -> List[Optional[int]]:
        """Of each core that is on; the files say kHz."""
        values = [read_number(core / which) for core in self.cores]
        return [None if value is None else value * 1000 for value in values]

    def clocks(self) -> Document:
        now, least, most = (self.gpu_hz(which) for which in ("cur_freq", "min_freq", "max_freq"))
        locked = None if None in (now, least, most) else now == least == most
        cpu_hz, cpu_max_hz = self.cpu_hz(), self.cpu_hz("scaling_max_freq")
        return {"gpu_hz": now, "gpu_max_hz": most, "cpu_hz": cpu_hz, "cpu_max_hz": cpu_max_hz, "locked": locked}

    def snapshot(self) -> Document:
        """One point of the series; of the cores, the fastest."""
        fastest = max((hz for hz in self.cpu_hz() if hz is not None), default=None)
        temperatures, gpu_hz, power_mw = self.temperatures(), self.gpu_hz(), self.power_mw()
        return {"temperatures": temperatures, "gpu_hz": gpu_hz, "cpu_hz": fastest, "power_mw": power_mw}


def thermal_zones() -> Iterator[Tuple[Optional[str], Gauge]]:
    places = ("sys/class/thermal/thermal_zone*", "sys/devices/virtual/thermal/thermal_zone*")
    for zone in without_doubles(glob_sorted(*places)):
        yield read_text(zone / "type"), Gauge((zone / "temp",), 1000, OFF_C)


def power_rails() -> Iterator[Tuple[Optional[str], Gauge]]:
    """Of the driver up to L4T 32, with milliwatts in one file, and of hwmon since."""
    for label in glob_sorted("sys/bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_*"):
        power = "in_power{}_input".format(label.name[len("rail_name_") :])
        yield read_text(label), Gauge((label.parent / power,))
    inside = "hwmon/hwmon*"
    places = (f"sys/bus/i2c/drivers/ina*/*/{inside}", f"sys/bus/i2c/devices/*/{inside}", "sys/class/hwmon/hwmon*")
    for place in without_doubles(glob_sorted(*places)):
        kind = read_text(place / "name") or place.parents[2].name
        if kind == "ina3221":
            yield from channels(place)
        elif kind == "ina238":  # one channel, mostly without a label; it measures the input of the board that has it
            names = (read_text(place / each) for each in ("power1_label", "in1_label", "label"))
            yield next(filter(None, names), "VIN"), Gauge((place / "power1_input",), 1000)  # microwatts


def channels(place: Path) -> Iterator[Tuple[Optional[str], Gauge]]:
    """Of an INA3221: millivolts and milliamperes of the three that are on; in4 to in7 are voltages of its shunts."""
    for number in "123":
        if read_text(place / f"in{number}_enable") != "0":
            files = (place / f"in{number}_input", place / f"curr{number}_input")
            yield read_text(place / f"in{number}_label"), Gauge(files, 1000)


def gpus() -> List[Path]:
    names = ("gp10b", "gv11b", "ga10b", "gpu")  # TX2, Xavier, Orin, and what newer kernels call all of them
    inside = [f"sys/devices/*.{name}/devfreq/*.{name}" for name in names]
    outside = [f"sys/class/devfreq/{name}" for name in (*(f"*.{name}" for name in names), "gpu-gpc-*")]  # Thor's
    return glob_sorted(*inside, "sys/devices/gpu.0/devfreq/*", *outside)


def number_names(gauges: Iterator[Tuple[Optional[str], Gauge]]) -> Dict[str, Gauge]:
    """By name, with a number behind a name that comes again; without those that nothing is connected to."""
    gauges_by_name: Dict[str, Gauge] = {}
    for name, gauge in gauges:
        if name and name != "NC":
            again = sum(each == name or each.startswith(name + "-") for each in gauges_by_name)
            gauges_by_name[f"{name}-{again + 1}" if again else name] = gauge
    return gauges_by_name


class Recorder(threading.Thread):
    """Reads the sensors `hz` times a second, first at once and last when it is finished."""

    def __init__(self, hz: float) -> None:
        super().__init__(daemon=True)
        self.step, self.sensors, self.started = 1 / hz, Sensors(), time.monotonic()
        self.times: List[float] = []
        self.rows: List[Document] = []
        self.until, self.stop = os.pipe()

    def run(self) -> None:
        next_read, more = self.started, True
        while more:
            self._read()
            next_read = max(next_read + self.step, time.monotonic())
            more = not select.select([self.until], [], [], max(0.0, next_read - time.monotonic()))[0]
        self._read()
        os.close(self.until)

    def finish(self) -> Document:
        """Ends the thread; the series, each as long as `t`, which is in seconds since this was made."""
        os.close(self.stop)
        self.join()
        rows, sensors = self.rows, self.sensors
        rails = rows[0]["power_mw"] if rows else {}
        return {
            "t": self.times,
            "temperatures": {name: [row["temperatures"][name] for row in rows] for name in sensors.zones},
            "gpu_hz": [row["gpu_hz"] for row in rows],
            "cpu_hz": [row["cpu_hz"] for row in rows],
            "power_mw": {name: [row["power_mw"][name] for row in rows] for name in rails},
            "total_rail": sensors.total_rail,
        }

    def _read(self) -> None:
        self.times.append(round(time.monotonic() - self.started, 4))
        self.rows.append(self.sensors.snapshot())


# --- child processes


def quiet_environment() -> Dict[str, str]:
    """That nothing which is started here calls its maker, or writes outside our folder.

    ONNX Runtime from 1.31 on keeps a data base and a number of the device in the home folder, to send them; CUDA keeps
    what it compiles there; Python keeps what it compiles beside packages, which may lie there, too.
    """
    cuda = {"CUDA_CACHE_PATH": str(cache_folder() / "cuda"), "CUDA_CACHE_MAXSIZE": str(CUDA_CACHE_BYTES)}
    own = {} if "CUDA_CACHE_PATH" in os.environ else cuda
    return {"ORT_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1", **own}


def cache_folder() -> Path:
    """Ours, on this board; a relative XDG_CACHE_HOME does not count (XDG Base Directory Specification)."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    return Path(named if named.startswith("/") else os.path.expanduser("~/.cache")) / "espalier"


class Outcome(NamedTuple):
    """How a command ended: its exit status (negative: the signal that killed it) and the last of both its streams."""

    status: int
    timed_out: bool
    seconds: float
    out: str
    err: str

    @property
    def out_of_memory(self) -> bool:
        """Killed by the kernel, or failed saying so; some builds that pass mention memory that a trial had not."""
        killed = not self.timed_out and self.status in (-signal.SIGKILL, 128 + signal.SIGKILL)
        return killed or (self.status != 0 and OUT_OF_MEMORY.search(self.out + self.err) is not None)


class Reader(threading.Thread):
    """Drains a pipe to its end and keeps the last `keep` bytes, or all."""

    def __init__(self, pipe: Any, keep: Optional[int]) -> None:
        super().__init__(daemon=True)
        self.pipe, self.keep, self.data = pipe, keep, bytearray()
        self.start()

    def run(self) -> None:
        for block in iter(lambda: os.read(self.pipe.fileno(), 1 << 16), b""):
            self.data += block
            if self.keep is not None and len(self.data) > 2 * self.keep:
                del self.data[: -self.keep]

    def text(self) -> str:
        """What was read; a process that escaped and keeps the pipe open is waited for no longer than a second."""
        end = time.monotonic() + 1.0
        while self.is_alive() and time.monotonic() < end:
            time.sleep(0.001)
        return bytes(self.data[-(self.keep or len(self.data)) :]).decode("utf-8", "replace")


def execute(argv: List[str], limit: float, keep: Optional[int] = KEPT_BYTES, **how: Any) -> Outcome:
    """Runs a command for at most `limit` seconds and reads both its streams; its group is dead afterwards."""
    with SIGNALS.deferring():
        started = time.monotonic()
        process = start_process(argv, **how)
        try:
            out, err = Reader(process.stdout, keep), Reader(process.stderr, keep)
            timed_out = not exited_within(process, limit)
            seconds = time.monotonic() - started
        finally:
            status = kill_group(process)
    return Outcome(status, timed_out, seconds, out.text(), err.text())


def execute_recorded(argv: List[str], limit: float, hz: float, **how: Any) -> Tuple[Outcome, Recorder, Document]:
    """Runs a command while the sensors are recorded; its outcome, the recorder and the series."""
    recorder = Recorder(hz)
    recorder.start()
    try:
        outcome = execute(argv, limit, **how)
    finally:
        series = recorder.finish()
    return outcome, recorder, series


def run_tool(argv: List[str], limit: float = TOOL_LIMIT_S, **how: Any) -> Tuple[int, str]:
    """Runs a small tool; its exit status and all its output. Raises Failed when it cannot start or does not end."""
    outcome = execute(argv, limit, **how)
    if outcome.timed_out:
        raise Failed(f"{argv[0]} did not end within {limit:g} s")
    return outcome.status, f"{outcome.out}\n{outcome.err}".strip()


LIBC, PR_SET_PDEATHSIG = ctypes.CDLL(None), 1


def start_process(
    argv: List[str], folder: Optional[Path] = None, environment: Optional[Dict[str, str]] = None
) -> "subprocess.Popen[bytes]":
    """Starts a command in a session of its own; it dies with this process even when that is killed by SIGKILL."""
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - calls into C only
            env={**os.environ, **quiet_environment(), **(environment or {})},
            cwd=None if folder is None else str(folder),
        )
    except OSError as error:  # the words of old Pythons repeat the name
        raise Failed(f"cannot start {argv[0]}: {os.strerror(error.errno or 0)}") from None


def exited_within(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether it ended in time; Ended when this command is to end. Not reaped, its number stays that of its group."""
    end = time.monotonic() + seconds
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        SIGNALS.raise_pending()
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_S)
    return True


def kill_group(process: "subprocess.Popen[bytes]") -> int:
    """Kills a command that is not yet reaped and all that it started; its exit status."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except PermissionError:  # root's, by sudo
        if not exited_within(process, ROOT_GRACE_S):
            raise Failed(f"a tool that runs as root does not end: {process.args!r}") from None
    return process.wait()


# --- probe


def probe(options: argparse.Namespace) -> Document:
    """What this board is and how it is set; null for what it does not say."""
    sensors = Sensors()
    problems: List[str] = []
    l4t, trtexec = l4t_version(), tool("usr/src/tensorrt/bin/trtexec", "usr/bin/trtexec")
    runtime = ort_version(problems)
    return {
        "model": read_text(board_path("proc/device-tree/model")),
        "compatible": compatible(),
        "jetson": jetson(),
        "l4t": l4t,
        "jetpack": jetpack_of(l4t),
        "tensorrt": tensorrt_version(trtexec, problems),
        "trtexec": trtexec,
        "onnxruntime": runtime.get("version"),
        "providers": runtime.get("providers", []),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": system_name(),
        "hostname": platform.node(),
        "cores": os.cpu_count(),
        "power_mode": power_mode(),
        "clocks": sensors.clocks(),
        "disk_free_bytes": disk_free(),
        "memory_total_bytes": memory("MemTotal"),
        "memory_free_bytes": memory("MemAvailable"),
        "temperatures": sensors.temperatures(),
        "power_mw": sensors.power_mw(),
        "total_rail": sensors.total_rail,
        "why_no_power": sensors.why_no_power(),
        "uptime_s": uptime(),
        "time": time.time(),
        "sudo": may_be_root(),
        "problems": problems,
    }


def compatible() -> List[str]:
    """What the board calls itself, the closest name first; empty where it is no board of a device tree."""
    return [name for name in (read_text(board_path("proc/device-tree/compatible")) or "").split("\0") if name]


def jetson() -> Optional[str]:
    """Which Jetson it is; None for other boards."""
    return next((name for chip, name in CHIPS if any(chip in each for each in compatible())), None)


def l4t_version() -> Optional[str]:
    release = read_text(board_path("etc/nv_tegra_release")) or ""
    match = re.search(r"R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", release)
    return None if match is None else "{}.{}".format(*match.groups())


def jetpack_of(l4t: Optional[str]) -> Optional[str]:
    """The JetPack that an L4T came with; of a patch that is not known, the one before it, or later."""
    exact = JETPACKS.get(l4t or "") or JETPACKS.get(f"{l4t}.0")
    line, _, patch = (l4t or "").rpartition(".")
    if exact or not line:
        return exact
    patches = [name.rpartition(".") for name in JETPACKS]
    before = [int(known) for start, _, known in patches if start == line and int(known) < int(patch)]
    return f"{JETPACKS[f'{line}.{max(before)}']} or later" if before else None


def tensorrt_version(trtexec: Optional[str], problems: List[str]) -> Optional[str]:
    """From the name of the library that the links point to, or else from the banner of trtexec: v8201 is 8.2.1."""
    names = [
        re.search(r"libnvinfer\.so\.(\d+\.\d+\.\d+)", path.name) for path in glob_sorted("usr/lib/*/libnvinfer.so.*")
    ]
    versions = [[int(part) for part in name.group(1).split(".")] for name in names if name]
    if versions:
        return ".".join(str(part) for part in max(versions))
    if trtexec is None:
        return None
    try:
        banner = re.search(r"TensorRT v(\d{4,6})(?!\d)", run_tool([trtexec, "--help"], QUESTION_LIMIT_S)[1])
        if banner is None:
            raise Failed(f"{trtexec} --help does not say which TensorRT it is")
    except Failed as error:
        problems.append(str(error))
        return None
    number = int(banner.group(1))
    major = 1000 if number < 100000 else 10000  # 8201 is 8.2.1, and 100200 is 10.2.0
    return f"{number // major}.{number % major // 100}.{number % 100}"


def ort_version(problems: List[str]) -> Document:
    """Found out in a process of its own: a NumPy that was built for another processor kills the one that imports it."""
    try:
        status, output = run_tool(own_command("ort-about"), environment=ort_environment())
        answer = last_document(output) or {"error": f"importing it ended with status {status}"}
    except Failed as error:
        answer = {"error": str(error)}
    if "error" in answer and answer["error"] != NO_RUNTIME:  # none installed is no problem
        problems.append("ONNX Runtime cannot be loaded: {}".format(answer["error"]))
    return {} if "error" in answer else answer


def own_command(*arguments: str) -> List[str]:
    """This very file, run by this very Python."""
    return [sys.executable, os.path.abspath(__file__), *arguments]


def last_document(text: str) -> Optional[Document]:
    """The last line that is a JSON object, whatever libraries print around it."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                return value
    return None


def tool(*paths: str) -> Optional[str]:
    """The first of these that can be run here."""
    return next((str(board_path(path)) for path in paths if os.access(str(board_path(path)), os.X_OK)), None)


def power_mode() -> Optional[Document]:
    """What `nvpmodel -q` says; None where there is none."""
    nvpmodel = tool("usr/sbin/nvpmodel", "usr/bin/nvpmodel")
    if nvpmodel is None:
        return None
    try:
        match = re.search(r"NV Power Mode:[ \t]*(\S+)\s+(\d+)", run_tool([nvpmodel, "-q"], QUESTION_LIMIT_S)[1])
    except Failed:  # a tool that hangs tells no mode
        return None
    return None if match is None else {"name": match.group(1), "id": int(match.group(2))}


def may_be_root() -> bool:
    """Whether sudo does without a password: for anything, or for the tool that it is needed for."""
    if os.geteuid() == 0:
        return True
    if shutil.which("sudo") is None:
        return False
    nvpmodel = tool("usr/sbin/nvpmodel", "usr/bin/nvpmodel")
    tries = [["true"]] + ([[nvpmodel, "-q"]] if nvpmodel else [])
    with contextlib.suppress(Failed):  # it waits for something that nobody will type
        return any(run_sudo(argv, QUESTION_LIMIT_S)[0] == 0 for argv in tries)
    return False


def run_sudo(argv: List[str], limit: float = TOOL_LIMIT_S, **how: Any) -> Tuple[int, str]:
    """`run_tool` as root, without a password; Ubuntu's sudo leaves a mark in the home folder at its first success."""
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:  # an account of a directory that is out of reach, say
        home = os.path.expanduser("~")
    mark = Path(home) / ".sudo_as_admin_successful"
    with contextlib.ExitStack() as stack:
        if not os.path.lexists(str(mark)):
            stack.callback(forget, mark)
        return run_tool(["sudo", "-n", *argv], limit, **how)


def system_name() -> Optional[str]:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', read_text(board_path("etc/os-release")) or "", re.MULTILINE)
    return match.group(1) if match else None


def memory(field: str) -> Optional[int]:
    """Bytes; the file says kB."""
    match = re.search(rf"^{field}:\s+(\d+) kB", read_text(board_path("proc/meminfo")) or "", re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None


def uptime() -> Optional[float]:
    match = re.match(r"\d+(\.\d+)?", read_text(board_path("proc/uptime")) or "")
    return float(match.group()) if match else None


def disk_free() -> Optional[int]:
    """Bytes for this user where the cache folder is or will be."""
    place = cache_folder()
    existing = next((path for path in (place, *place.parents) if path.exists()), Path("/"))
    disk = os.statvfs(str(existing))
    return disk.f_bavail * disk.f_frsize


# --- hold: one timing at a time, and the board's settings as they were


def boot_id() -> Optional[str]:
    return read_text(board_path("proc/sys/kernel/random/boot_id"))


class Lock:
    """An account's own lock: an flock on a file that says who holds it.

    Its times are seconds of the clock that starts with the board and never jumps.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self.path, now = folder / "lock", time.monotonic()
        self.fd: Optional[int] = None
        owner = os.fsencode(owner).decode("utf-8", "replace")[:200]  # the C locale gave it as bytes in disguise
        self.record = {"pid": os.getpid(), "owner": owner, "boot_id": boot_id(), "since": now, "beat": now}

    def take(self, wait: float) -> Tuple[bool, Optional[Document]]:
        """(True, the stale lock that was broken for it) or, after `wait` seconds, (False, its holder)."""
        end, broke = time.monotonic() + max(wait, 0.3), None
        while not self._try():
            holder = self._read()
            if broke is None and self._kill_if_stale(holder):
                broke = self._about(holder, f"it gave no sign of life for more than {STALE_S:g} s")
                end = max(end, time.monotonic() + 2.0)
            if time.monotonic() >= end:
                return False, self._about(holder)
            time.sleep(0.05)
        left = self._read()
        if broke is None and left is not None:
            restarted = left.get("boot_id") != self.record["boot_id"]
            broke = self._about(left, "the board was restarted" if restarted else "its process was killed")
        self.record["since"] = time.monotonic()
        self.beat()
        return True, broke

    def beat(self) -> None:
        """Shows that the holder lives."""
        if self.fd is None or not self._is_file():
            raise Failed(f"{self.path} was removed while it was held")
        self.record["beat"] = time.monotonic()
        os.pwrite(self.fd, json.dumps(self.record).encode().ljust(4096), 0)

    def release(self) -> None:
        """Removes the file while nobody else can have it, and lets go; holding nothing is fine."""
        if self.fd is not None:
            if self._is_file():
                self.path.unlink()
            os.close(self.fd)
        self.fd = None

    def _try(self) -> bool:
        with SIGNALS.deferring():  # what is open is not held yet, and is not to be let go as if it were
            fd = os.open(str(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.fd = fd
                if self._is_file():
                    return True
            self.fd = None
            os.close(fd)
        return False

    def _is_file(self) -> bool:
        """Whether what is locked still has the name, and is not one that its last holder removed."""
        try:
            return self.fd is not None and os.path.samestat(os.fstat(self.fd), self.path.stat())
        except FileNotFoundError:
            return False

    def _read(self) -> Optional[Document]:
        """The record in the file; None for one that is empty or half written."""
        try:
            record = json.loads(read_text(self.path) or "")
            return {**record, "pid": int(record["pid"]), "beat": float(record["beat"]), "since": float(record["since"])}
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    def _about(self, record: Optional[Document], why: Optional[str] = None) -> Document:
        """The record for others; ages only of this boot, since the clock starts anew with each."""
        record = record or {"pid": None, "owner": None}
        same, now = record.get("boot_id") == self.record["boot_id"] and "beat" in record, time.monotonic()
        ages = {key: round(max(0.0, now - record[since]), 1) if same else None for key, since in AGES}
        about = {"pid": record["pid"], "owner": record.get("owner"), **ages}
        return about if why is None else {**about, "why": why}

    def _kill_if_stale(self, record: Optional[Document]) -> bool:
        if record is None or record.get("boot_id") != self.record["boot_id"] or record["pid"] == os.getpid():
            return False
        if time.monotonic() - record["beat"] <= STALE_S or not self._is_open_in(record["pid"]):
            return False
        os.kill(record["pid"], signal.SIGKILL)
        return True

    def _is_open_in(self, pid: int) -> bool:
        """Whether that process has the lock's file open: then it is its holder, and no later one of the same number."""
        try:
            mine = self.path.stat()
            return any(os.path.samestat(mine, os.stat(str(fd))) for fd in Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            return False


AGES = (("age_s", "beat"), ("held_s", "since"))


class BoardLock:
    """The board itself, for all its accounts: the one process that has a socket of a certain name holds it.

    The name is of Linux's abstract namespace (unix(7)): it lies in no folder, needs no account's leave, and goes when
    its process does. Who connects is told for whom it is held, and by the kernel by which account and process.
    """

    ANSWER_S, MOST_BYTES = 1.0, 4096

    def __init__(self, owner: str) -> None:
        self.owner, self.since = os.fsencode(owner).decode("utf-8", "replace")[:200], time.monotonic()
        self.socket: Optional[socket.socket] = None
        root = os.environ.get("ESPALIER_ROOT")  # names another board
        suffix = "-" + hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16] if root else ""
        self.name = b"\0espalier-board" + suffix.encode()

    def take(self, wait: float) -> Optional[Document]:
        """Holds the board; after `wait` seconds without success, who does."""
        end = time.monotonic() + max(wait, 0.3)
        while not self._try():
            if time.monotonic() >= end:
                return self._holder()
            time.sleep(0.05)
        self.since = time.monotonic()
        threading.Thread(target=self._answer, args=(self.socket,), daemon=True).start()
        return None

    def release(self) -> None:
        """Lets go; holding nothing is fine."""
        if self.socket is not None:
            self.socket.shutdown(socket.SHUT_RDWR)  # else a thread that waits in accept keeps it open
            self.socket.close()
        self.socket = None

    def _try(self) -> bool:
        with SIGNALS.deferring():
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.bind(self.name)
                server.listen(16)
            except OSError as error:
                server.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                return False
            self.socket = server
        return True

    def _answer(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # that is how `release` ends it
            while True:
                client, _ = server.accept()
                with client, contextlib.suppress(OSError):
                    client.setblocking(False)
                    told = {"owner": self.owner, "held_s": round(time.monotonic() - self.since, 1)}
                    client.sendall(json.dumps(told).encode())

    def _holder(self) -> Document:
        """Who holds it: the process and the account are the kernel's word, the rest its own, if it says anything."""
        about: Document = {"pid": None, "account": None, "owner": None, "age_s": None, "held_s": None}
        nothing = contextlib.suppress(OSError, ValueError, RecursionError)
        with nothing, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            client.connect(self.name)
            credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            about["pid"], user, _ = struct.unpack("3i", credentials)
            about["account"] = account_name(user)
            if select.select([client], [], [], self.ANSWER_S)[0]:
                told = json.loads(client.recv(self.MOST_BYTES).decode("utf-8"))
                owner, seconds = (told.get(key) for key in ("owner", "held_s")) if isinstance(told, dict) else ("", "")
                about["owner"] = owner[:200] if owner and isinstance(owner, str) else None
                about["held_s"] = seconds if isinstance(seconds, float) and 0 <= seconds < 1e9 else None
        return about


def account_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"number {user}"


class Settings:
    """Power mode and clocks, with a note on disk of what they were before anything is changed."""

    CLOCKS = "clocks.before"  # a name without a folder: jetson_clocks splits its arguments at spaces

    def __init__(self, folder: Path) -> None:
        self.folder, self.note = folder, folder / "restore.json"

    def change(self, mode: Optional[int], max_clocks: bool) -> Document:
        """Sets what was requested; returns what that changed."""
        now = power_mode() if mode is not None else None
        if mode is not None and now is None:
            raise Failed("this board tells no power mode (nvpmodel -q): leave the power mode as it is")
        was = now["id"] if now is not None and now["id"] != mode else None
        if was is None and not max_clocks:
            return {}
        clocks = max_clocks or Sensors().clocks()["locked"] is True  # a new power mode undoes a lock of the clocks
        if clocks:
            forget(self.folder / self.CLOCKS)
            self._as_root("jetson_clocks", "--store", self.CLOCKS)
        write_whole(self.note, {"boot_id": boot_id(), "power_mode": was, "clocks": clocks})
        if mode is not None and was is not None:
            self._set_mode(mode)
        if max_clocks:
            self._as_root("jetson_clocks")
        changed: Document = {} if was is None else {"power_mode": {"from": was, "to": mode}}
        return {**changed, "clocks": max_clocks}

    def undo(self) -> Optional[Document]:
        """Restores what the note says, and removes it; None where there is none."""
        if not self.note.exists():
            return None
        try:
            note = json.loads(self.note.read_text())
            mode, clocks = note["power_mode"], note["clocks"] and note["boot_id"] == boot_id()
            if mode is not None:
                self._set_mode(int(mode))
            if clocks:  # a restart undoes them by itself, and keeps the power mode
                self._as_root("jetson_clocks", "--restore", self.CLOCKS, strict=False)
        except (Failed, ValueError, KeyError, TypeError) as error:
            raise Failed(
                f"power mode and clocks as a timing changed them could not be put back ({error}): set them with "
                f"nvpmodel -m and jetson_clocks --restore {self.folder / self.CLOCKS}, then remove {self.note}"
            ) from None
        forget(self.note)
        forget(self.folder / self.CLOCKS)
        return {"power_mode": mode, "clocks": bool(clocks)}

    def _set_mode(self, mode: int) -> None:
        if (power_mode() or {}).get("id") == mode:
            return
        self._as_root("nvpmodel", "-m", str(mode))
        now = power_mode()
        if now is None or now["id"] != mode:
            raise Failed(f"nvpmodel did not switch to power mode {mode}: some modes need a restart")

    def _as_root(self, name: str, *arguments: str, strict: bool = True) -> None:
        """Runs a tool; when strict, what it calls an error is one even if it exits with 0, as jetson_clocks does."""
        path = tool(f"usr/sbin/{name}", f"usr/bin/{name}")
        if path is None:
            raise Failed(f"this board has no {name}: leave power mode and clocks as they are")
        as_root = run_tool if os.geteuid() == 0 else run_sudo
        status, output = as_root([path, *arguments], folder=self.folder)
        complaint = re.search(r"^(?:NVPM ERROR|Error).*", output, re.MULTILINE)
        if status != 0 or (strict and complaint):
            line = complaint.group() if complaint else (output.splitlines() or [f"status {status}"])[-1]
            advice = "leave power mode and clocks as they are, or ask for another"
            if "root" in line or "sudo" in line:
                advice = "allow it in sudoers without a password, or leave power mode and clocks as they are"
            raise Failed(f"the board refused {' '.join([name, *arguments])} ({line.strip()[:200]}): {advice}")


def forget(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def write_whole(path: Path, document: Document) -> None:
    """The file appears whole, or not at all."""
    part = path.with_name(path.name + ".new")
    try:
        with part.open("w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        forget(part)


def hold(options: argparse.Namespace) -> Optional[Document]:
    """Takes the board and keeps it until the leash or a signal ends that; prints its document itself, in between."""
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock, board = Lock(options.folder, options.owner), BoardLock(options.owner)
    settings, reported = Settings(options.folder), False
    try:
        held, holder_or_broken = lock.take(options.wait)
        if not held:
            return {"held": False, "holder": holder_or_broken}
        holder = board.take(options.wait)
        if holder is not None:
            return {"held": False, "holder": holder}
        restored = settings.undo()
        try:
            changed = settings.change(options.power_mode, options.max_clocks)
            reported = True  # before it is, for whoever reads it may end this at once
            emit({"held": True, "broke": holder_or_broken, "restored": restored, "changed": changed})
            while True:
                time.sleep(BEAT_S)
                lock.beat()
        finally:
            SIGNALS.raised = True  # it ends already
            settings.undo()
    except Ended:
        if not reported:
            raise
        return None
    except (Failed, OSError) as error:
        if not reported:
            raise
        sys.exit(str(error))  # on standard error, and with 1: the document is out
    finally:
        board.release()
        lock.release()


# --- run


def run(options: argparse.Namespace) -> Document:
    """Runs a command while the sensors are recorded, and brings back the file that it writes, JSON or a text."""
    if options.collect:
        forget(options.collect)
    outcome, _, series = execute_recorded(options.argv, options.limit, options.hz)
    collected, problem = collect(options.collect, options.as_text) if options.collect else (None, None)
    return {
        "status": outcome.status,
        "timed_out": outcome.timed_out,
        "seconds": round(outcome.seconds, 4),
        "out": outcome.out,
        "err": outcome.err,
        "collected": collected,
        "collect_error": problem,
        "sensors": series,
        "out_of_memory": outcome.out_of_memory,
    }


def collect(path: Path, as_text: bool = False) -> Tuple[Any, Optional[str]]:
    """(the JSON in a file, or its text, None) or (None, why there is none); the file is removed."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"it holds {constant}, which is no number")

    try:
        if path.stat().st_size > COLLECTED_BYTES:
            raise ValueError(f"it is larger than {COLLECTED_BYTES >> 20} MiB")
        if as_text:
            return path.read_bytes().decode("utf-8", "replace"), None
        return json.loads(path.read_bytes().decode("utf-8"), parse_constant=refuse), None
    except FileNotFoundError:
        return None, f"{path.name} was not written"
    except (OSError, ValueError) as error:
        return None, f"{path.name} cannot be read: {error}"
    finally:
        forget(path)


# --- ort


def ort(options: argparse.Namespace) -> Document:
    """Times a network with ONNX Runtime in a process of its own, so that reading sensors never delays a query."""
    if not options.model.is_file():
        raise Failed(f"there is no model {options.model}")
    deadline = time.monotonic() + options.limit
    values = [("model", options.model), ("least", options.least), ("seconds", options.seconds)]
    values += [("warmup", options.warmup), ("threads", options.threads), ("deadline", deadline)]
    argv = own_command("ort-child", *(f"--{name}={value}" for name, value in values))
    limit = options.limit + ORT_GRACE_S
    outcome, recorder, series = execute_recorded(argv, limit, options.hz, keep=None, environment=ort_environment())
    answer = last_document(outcome.out)
    if outcome.status == 0 and answer is not None:
        window = {key: round(answer.pop(key) - recorder.started, 4) for key in ("from_s", "to_s")}
        return {**answer, **window, "sensors": series}
    if outcome.timed_out:
        raise Failed(f"ONNX Runtime finished not one query within {options.limit:g} s: raise the limit")
    if outcome.out_of_memory:
        raise Failed("the board ran out of memory while ONNX Runtime had the model", out_of_memory=True)
    lines = outcome.err.strip().splitlines() or [f"status {outcome.status}"]
    raise Failed((answer or {}).get("error") or f"ONNX Runtime ended without an answer: {lines[-1]}")


def ort_environment() -> Dict[str, str]:
    """NumPy 1.19.5 guesses the processor of a Jetson wrongly and dies of an illegal instruction unless it is told."""
    return {"OPENBLAS_CORETYPE": "ARMV8"} if platform.machine() == "aarch64" else {}


def ort_about(options: argparse.Namespace) -> Document:
    _, runtime = load_runtime()
    return {"version": runtime.__version__, "providers": list(runtime.get_available_providers())}


def load_runtime() -> Tuple[Any, Any]:
    """NumPy and ONNX Runtime, where the board has them."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise Failed(NO_RUNTIME)
    try:
        import numpy
        import onnxruntime
    except Exception as error:  # a build for another system fails in its own ways
        raise Failed(first_line(error)) from None
    onnxruntime.set_default_logger_severity(4)  # what is wrong comes as exceptions
    return numpy, onnxruntime


def ort_child(options: argparse.Namespace) -> Document:
    """The timing itself: warm-up, then one query after the other."""
    numpy, runtime = load_runtime()
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    settings.log_severity_level = 4
    try:
        session = runtime.InferenceSession(str(options.model), settings, providers=["CPUExecutionProvider"])
        feed = random_inputs(numpy, session.get_inputs())
        warm = time.monotonic() + options.warmup
        session.run(None, feed)
        while time.monotonic() < min(warm, options.deadline):
            session.run(None, feed)
        began = time.monotonic()
        samples = sample_queries(lambda: session.run(None, feed), options)
        ended = time.monotonic()
    except Failed:
        raise
    except Exception as error:  # ONNX Runtime's own classes have no common base
        raise Failed(f"ONNX Runtime cannot run {options.model.name}: {first_line(error)}") from None
    shape = [int(size) for size in next(iter(feed.values())).shape]
    return {
        "samples_ms": samples,
        "provider": session.get_providers()[0],
        "version": runtime.__version__,
        "threads": options.threads,
        "batch": shape[0] if shape else 1,
        "input": shape,
        "seconds": round(ended - began, 4),
        "from_s": began,
        "to_s": ended,
    }


def random_inputs(numpy: Any, inputs: Sequence[Any]) -> Dict[str, Any]:
    """The same random images each time; a free dimension is 1."""
    random = numpy.random.RandomState(0)
    feed = {}
    for each in inputs:
        if each.type != "tensor(float)":
            raise Failed(f"the input {each.name} is a {each.type}: only tensor(float) can be timed")
        shape = [size if isinstance(size, int) and size > 0 else 1 for size in each.shape]
        feed[each.name] = random.standard_normal(shape).astype(numpy.float32)
    return feed


def sample_queries(query: Callable[[], object], options: argparse.Namespace) -> List[float]:
    """Milliseconds of each query, until there are enough for long enough, or until the deadline."""
    samples: List[float] = []
    started = time.perf_counter()
    while True:
        before = time.perf_counter()
        query()
        now = time.perf_counter()
        samples.append(round((now - before) * 1e3, 5))
        enough = len(samples) >= options.least and now - started >= options.seconds
        if enough or time.monotonic() >= options.deadline:
            return samples


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# --- tidy


def tidy(options: argparse.Namespace) -> Document:
    """Removes what was not used for longest: all that is too old, then until the rest is small enough."""
    now, kept, freed = time.time(), 0, 0
    removed: List[str] = []
    files = sorted(cached_files(options.folder), key=lambda entry: entry[1].st_mtime)
    total = sum(stat.st_size for _, stat in files)
    for path, stat in files:
        name, age = path.relative_to(options.folder).as_posix(), now - stat.st_mtime
        given_up = path.suffix == ".part" and age > PART_AGE_S
        too_much = age > options.older_days * 86400 or total - freed > options.most_bytes or given_up
        if too_much and name not in options.keep and path.name not in options.keep:
            forget(path)
            removed.append(name)
            freed += stat.st_size
        else:
            kept += stat.st_size
    return {"removed": removed, "freed_bytes": freed, "kept_bytes": kept}


def cached_files(folder: Path) -> Iterator[Tuple[Path, os.stat_result]]:
    """What may go: models, engines, scripts and unfinished uploads; never this file, the lock, the note of settings."""
    patterns = ("models/*", "engines/*", "scripts/*", "*.py", "*.part", "*/*.part")
    for path in {path for pattern in patterns for path in folder.glob(pattern)} - {Path(os.path.abspath(__file__))}:
        with contextlib.suppress(FileNotFoundError):  # somebody else removed it
            if path.is_symlink() or path.is_file():
                yield path, path.lstat()


# --- the command line


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def between(kind: Callable[[str], float], least: float, most: float) -> Callable[[str], float]:
    """A reader of numbers for argparse; nan is between nothing."""

    def read(text: str) -> float:
        with contextlib.suppress(ValueError):
            value = kind(text)
            if least <= value <= most:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not between {least:g} and {most:g}")

    return read


SECONDS, LIMIT, COUNT = between(float, 0, 1e6), between(float, 0.01, 1e6), between(int, 1, 1e9)


def parser() -> Parser:
    whole = Parser(prog="bench.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", metavar="probe|hold|run|ort|tidy")

    def command(work: Callable[[argparse.Namespace], Optional[Document]], name: Optional[str] = None) -> Parser:
        sub = commands.add_parser(name or work.__name__, description=work.__doc__, allow_abbrev=False)
        sub.set_defaults(work=work, silence=None)
        sub.add_argument("--leash", action="store_true", help="end when standard input does")
        return sub  # type: ignore[no-any-return,unused-ignore]

    command(probe)
    hold_parser = command(hold)
    hold_parser.set_defaults(leash=True, silence=SILENCE_S)
    hold_parser.add_argument("--folder", type=Path, required=True)
    hold_parser.add_argument("--owner", required=True, help="who holds it, for those who wait")
    hold_parser.add_argument("--wait", type=SECONDS, default=0.0, metavar="S")
    hold_parser.add_argument("--power-mode", type=between(int, 0, 99), metavar="ID")
    hold_parser.add_argument("--max-clocks", action="store_true")
    hold_parser.add_argument("--silence", type=LIMIT, metavar="S", help="let go when nothing was heard for so long")
    run_parser = command(run)
    run_parser.add_argument("--collect", type=Path, metavar="FILE", help="a JSON file that the command writes")
    run_parser.add_argument("--as-text", action="store_true", help="which is brought back as it is, JSON or none")
    ort_parser = command(ort)
    for each in (run_parser, ort_parser):
        each.add_argument("--limit", type=LIMIT, required=True, metavar="S")
        each.add_argument("--hz", type=between(float, 0.01, 100), default=5.0, help="how often the sensors are read")
    child_parser = command(ort_child, "ort-child")
    child_parser.add_argument("--deadline", type=float, required=True, help="of the monotonic clock")
    for each in (ort_parser, child_parser):
        each.add_argument("--model", type=Path, required=True, metavar="FILE")
        each.add_argument("--least", type=COUNT, required=True, metavar="N", help="samples at least")
        each.add_argument("--seconds", type=SECONDS, default=3.0, metavar="S")
        each.add_argument("--warmup", type=SECONDS, default=0.5, metavar="S")
        each.add_argument("--threads", type=COUNT, default=1, metavar="N")
    command(ort_about, "ort-about")
    tidy_parser = command(tidy)
    tidy_parser.add_argument("--folder", type=Path, required=True)
    tidy_parser.add_argument("--most-bytes", type=between(int, 0, 1e15), required=True, metavar="B")
    tidy_parser.add_argument("--older-days", type=SECONDS, required=True, metavar="D")
    tidy_parser.add_argument("--keep", nargs="*", default=[], metavar="NAME")
    return whole


def parse_arguments(arguments: List[str]) -> argparse.Namespace:
    """The request. What stands behind `--` is the command of `run`, and nobody's option."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser().parse_args(arguments[:split])
    options.argv = arguments[split + 1 :]
    if options.command is None:
        raise Refused("say what to do: probe, hold, run, ort or tidy")
    if (options.command == "run") != bool(options.argv):
        raise Refused("run, and only run, takes a command to run, behind --")
    return options


def main(arguments: List[str]) -> int:
    try:
        options = parse_arguments(arguments)
        SIGNALS.listen()
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if options.leash:
            leash(options.silence)
        document = options.work(options)
    except Refused as error:
        emit({"error": str(error)})
        return 2
    except Failed as error:
        emit({"error": str(error), **error.more})
        return 1
    except Ended as error:
        emit({"error": f"ended by {error}"})
        return 1
    except OSError as error:
        emit({"error": "{}: {}".format(error.filename or "the board", os.strerror(error.errno or 0))})
        return 1
    except Exception as error:  # whatever it is, the other side can read only documents
        traceback.print_exc()
        emit({"error": f"bench.py failed with {type(error).__name__}: {first_line(error)}"})
        return 1
    if document is not None:
        emit(document)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
