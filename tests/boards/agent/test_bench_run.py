"""A command that runs on the board under the sensors' eyes, `bench.py run`, and requests that are refused."""

import contextlib
import json
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support import python36
from tests.support.board_files import GPU, INA, bench, number_in, runs, started, tree
from tests.support.storm import wait_for

GRANDCHILD = 'sleep 300 & echo $! > "$0"; wait'  # a shell that starts another process, and says which


def test_a_command_s_status_and_both_its_streams_come_back(python: Path) -> None:
    found = bench(python, "run", "--limit", "120", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (found["status"], found["out"], found["err"]) == (7, "out\n", "err\n")
    assert not found["timed_out"] and not found["out_of_memory"]
    assert (found["collected"], found["collect_error"]) == (None, None)


def test_a_file_that_is_no_json_comes_back_as_text_where_that_is_asked_for(oldest: Path, tmp_path: Path) -> None:
    (tmp_path / "told").write_bytes(b'[ { "name" : "a "b"", nan } \xc3\xa9\xff')
    copy = ("cp", tmp_path / "told", tmp_path / "layers.json")
    argv = ("run", "--limit", "120", "--collect", tmp_path / "layers.json")
    read = bench(oldest, *argv, "--as-text", "--", *copy)
    assert (read["collected"], read["collect_error"]) == ('[ { "name" : "a "b"", nan } é\ufffd', None)
    assert "cannot be read" in bench(oldest, *argv, "--", *copy)["collect_error"]
    missing = bench(oldest, *argv, "--as-text", "--", "true")
    assert (missing["collected"], missing["collect_error"]) == (None, "layers.json was not written")


def test_its_words_reach_it_as_they_are(python: Path, tmp_path: Path) -> None:
    words = ["; rm -rf ~", "a b", "'\"", "line\nbreak", "μ–☃", "-x", "--", "$HOME", "*"]
    show = 'for word in "$@"; do printf "%s\\0" "$word"; done'
    found = bench(python, "run", "--limit", "120", "--", "sh", "-c", show, "sh", *words)
    assert found["out"].split("\0")[:-1] == words


def test_it_is_told_to_call_nobody_and_to_keep_nothing_in_the_home(python: Path, tmp_path: Path) -> None:
    show = 'echo "$ORT_DISABLE_TELEMETRY,$PYTHONDONTWRITEBYTECODE,$CUDA_CACHE_PATH"; ulimit -c'
    words = ("run", "--limit", "120", "--", "sh", "-c", show)
    own = {"XDG_CACHE_HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    assert bench(python, *words, **own)["out"] == f"1,1,{tmp_path}/espalier/cuda\n0\n"
    assert bench(python, *words, CUDA_CACHE_PATH="/there", **own)["out"] == "1,1,/there\n0\n"


def test_three_megabytes_on_each_stream_neither_hang_nor_come_back_whole(python: Path) -> None:
    lines = "yes o | head -c 3000000; yes e | head -c 3000000 >&2; echo end; echo END >&2"
    found = bench(python, "run", "--limit", "120", "--", "sh", "-c", lines)
    assert (len(found["out"]), len(found["err"])) == (1 << 20, 1 << 20)
    assert found["out"].endswith("o\nend\n") and found["err"].endswith("e\nEND\n")


def test_the_limit_kills_the_whole_group(python: Path, tmp_path: Path) -> None:
    found = bench(python, "run", "--limit", "0.4", "--", "sh", "-c", GRANDCHILD, tmp_path / "pid")
    assert found["timed_out"] and found["status"] == -signal.SIGKILL and not found["out_of_memory"]
    assert 0.4 <= found["seconds"] < 60
    pid = number_in(tmp_path / "pid")
    wait_for(lambda: not runs(pid))


def test_what_a_command_leaves_behind_is_killed(oldest: Path, tmp_path: Path) -> None:
    found = bench(oldest, "run", "--limit", "120", "--", "sh", "-c", 'sleep 300 & echo $! > "$0"', tmp_path / "pid")
    assert found["status"] == 0
    pid = number_in(tmp_path / "pid")
    wait_for(lambda: not runs(pid))


def test_a_process_that_left_the_group_and_keeps_the_pipes_is_not_waited_for(tmp_path: Path) -> None:
    lines = 'setsid sleep 300 & echo $! > "$0"'
    began = time.monotonic()
    bench(python36.either("this python"), "run", "--limit", "120", "--", "sh", "-c", lines, tmp_path / "pid")
    assert time.monotonic() - began < 120
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
        process.wait(120)
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
            assert process.wait(120) in (1, -signal.SIGTERM), "its own end, or before it could listen"
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
    with started(oldest, "run", "--limit", "120", "--", "sh", "-c", "sleep 0.3; echo done") as process:
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
    found = bench(python36.either("this python"), "run", "--limit", "120", "--", "sh", "-c", lines)
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
    found = bench(oldest, "run", "--limit", "120", "--collect", times, "--", "sh", "-c", lines, times)
    assert found["collected"] is None
    assert found["collect_error"].startswith(why)
    assert found["status"] == 0


def test_a_command_that_cannot_start_is_an_error(oldest: Path) -> None:
    found = bench(oldest, "run", "--limit", "120", "--", "/no/such/trtexec", code=1)
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
    sensors = bench(python, "run", "--limit", "120", "--hz", "20", "--", "sh", "-c", lines, root=root)["sensors"]
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
    found = bench(python, "run", "--limit", "120", "--hz", "20", "--", "sh", "-c", lines, root=root)
    sensors = found["sensors"]
    broken = [sensors["temperatures"]["GPU-therm"], sensors["gpu_hz"], sensors["cpu_hz"], sensors["power_mw"]["VDD_IN"]]
    assert found["status"] == 0
    assert all(values[0] is not None and values[-1] is None for values in broken)
    assert set(sensors["temperatures"]["BCPU-therm"]) == {41.5}


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
