"""Who has the board: one at a time, given back however the holder ends, and its settings as they were before."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.boards.agent import bench as script
from tests.support.board_files import GPU, TX2, bench, runs, started, tree

# Both keep their state in files, and are as the real ones: nvpmodel says the mode on two lines; jetson_clocks refuses
# to store over a file, splits its arguments at spaces, and exits with 0 even after an error.
NVPMODEL = """#!/bin/sh
state='{root}/state/mode'
echo "nvpmodel $*" >> '{root}/state/calls'
case "$1" in
-q) echo 'NVPM WARN: fan mode is not set!'; echo "NV Power Mode: MODE_$(cat "$state")"; cat "$state";;
-m) [ "$2" -le 4 ] || {{ echo "NVPM ERROR: invalid mode"; exit 1; }}
    [ "$2" = 4 ] || echo "$2" > "$state";; # mode 4 needs a restart
esac
"""
CLOCKS = """#!/bin/sh
clock='{root}/{gpu}/min_freq'
echo "jetson_clocks $*" >> '{root}/state/calls'
[ -e '{root}/state/broken' ] && {{ echo 'Error: Failed to max GPU frequency!'; exit 0; }}
[ $# -gt 2 ] && exit 1
case "$1" in
--store) [ -e "$2" ] && {{ echo "Error: file $2 already exists!"; exit 1; }}; cat "$clock" > "$2";;
--restore) [ -e "$2" ] || {{ echo "Error: $2 file not found !"; exit 1; }}; cat "$2" > "$clock";;
'') cat '{root}/{gpu}/max_freq' > "$clock";;
esac
"""
NORMAL, MAXIMAL = "114750000", "1300500000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A TX2 in power mode 3 with free clocks, and its two tools."""
    board = tree(tmp_path / "board", {**TX2, "state/mode": "3\n", "state/calls": ""})
    tools = {
        "usr/sbin/nvpmodel": NVPMODEL.format(root=board),
        "usr/bin/jetson_clocks": CLOCKS.format(root=board, gpu=GPU),
    }
    return tree(board, tools)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The cache folder, with a space in its name."""
    return tmp_path / "the cache" / "espalier"


class Holder:
    """A `hold` that runs, and the document that it printed."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        assert process.stdin and process.stdout and process.stderr
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        line = self.stdout.readline()
        assert line.endswith(b"\n"), self.stderr.read()
        self.said: dict[str, Any] = json.loads(line)

    def ended(self) -> int:
        """Its exit code when its leash is dropped; it says no second word."""
        self.stdin.close()
        code = self.process.wait(120)
        assert self.stdout.read() == b""
        return code


@pytest.fixture
def hold(folder: Path, root: Path) -> Iterator[Callable[..., Holder]]:
    """Starts holders; all that are left at the end are killed."""
    processes = []

    def start(python: Path, *options: str, owner: str = "somebody", **more: str) -> Holder:
        process = started(python, "hold", "--folder", folder, "--owner", owner, *options, root=root, **more)
        processes.append(process)
        return Holder(process)

    yield start
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def state(root: Path) -> tuple[str, str]:
    """Power mode and the GPU's least clock."""
    return (root / "state/mode").read_text().strip(), (root / GPU / "min_freq").read_text().strip()


# --- the lock


def test_a_free_board_is_taken_and_let_go_without_a_trace(
    python: Path, hold: Callable[..., Holder], folder: Path
) -> None:
    holder = hold(python, owner="mära's laptop")
    assert holder.said == {"held": True, "broke": None, "restored": None, "changed": {}}
    card = json.loads((folder / "lock").read_text())
    assert card["pid"] == holder.process.pid and card["owner"] == "mära's laptop"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert holder.ended() == 0
    assert list(folder.iterdir()) == []


def test_a_second_one_is_told_who_holds_it(python: Path, hold: Callable[..., Holder]) -> None:
    first = hold(python, owner="änn@inbox")
    second = hold(python)
    holder = second.said["holder"]
    assert second.said["held"] is False and second.process.wait(120) == 0
    assert (holder["pid"], holder["owner"]) == (first.process.pid, "änn@inbox")
    assert 0 <= holder["age_s"] <= 10 and 0 <= holder["held_s"] < 60
    assert runs(first.process.pid)


def test_one_that_waits_has_it_as_soon_as_it_is_free(
    oldest: Path, hold: Callable[..., Holder], folder: Path, root: Path
) -> None:
    first = hold(oldest)
    with started(oldest, "hold", "--folder", folder, "--owner", "b", "--wait", "20", root=root) as waiting:
        assert select.select([waiting.stdout], [], [], 0.6)[0] == []
        assert first.ended() == 0
        assert Holder(waiting).said == {"held": True, "broke": None, "restored": None, "changed": {}}
        waiting.kill()


def test_only_one_of_many_has_it(oldest: Path, folder: Path, root: Path) -> None:
    with contextlib.ExitStack() as processes:
        at_once = [
            processes.enter_context(started(oldest, "hold", "--folder", folder, "--owner", str(number), root=root))
            for number in range(4)
        ]
        assert sorted(Holder(process).said["held"] for process in at_once) == [False, False, False, True]
        for process in at_once:
            process.kill()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_lets_it_go(oldest: Path, hold: Callable[..., Holder], folder: Path, end: signal.Signals) -> None:
    holder = hold(oldest)
    holder.process.send_signal(end)
    assert holder.process.wait(120) == 0
    assert holder.stdout.read() == b"" and not (folder / "lock").exists()


def test_a_host_that_falls_silent_loses_it(oldest: Path, hold: Callable[..., Holder], folder: Path) -> None:
    began = time.monotonic()
    holder = hold(oldest, "--silence", "2.0")
    for _ in range(4):
        time.sleep(0.6)
        holder.stdin.write(b"\n")
        holder.stdin.flush()
    assert runs(holder.process.pid), "each newline gives it 2 s more"
    assert holder.process.wait(120) == 0 and time.monotonic() - began > 4.3
    assert not (folder / "lock").exists()


def test_the_lock_of_a_killed_holder_is_free_and_that_is_told(python: Path, hold: Callable[..., Holder]) -> None:
    first = hold(python, owner="killed")
    first.process.kill()
    first.process.wait()
    broke = hold(python).said["broke"]
    assert (broke["pid"], broke["owner"], broke["why"]) == (first.process.pid, "killed", "its process was killed")
    assert broke["age_s"] < 300


def set_beat(folder: Path, seconds_ago: float, **more: object) -> None:
    """Rewrites when the holder last showed that it lives, by the clock that started with the board."""
    lock = folder / "lock"
    card = {**json.loads(lock.read_text()), "beat": time.monotonic() - seconds_ago, **more}
    with lock.open("r+") as file:
        file.write(json.dumps(card).ljust(4096))


def test_a_holder_that_hangs_is_killed_after_two_minutes(
    python: Path, hold: Callable[..., Holder], folder: Path
) -> None:
    first = hold(python, owner="hangs")
    first.process.send_signal(signal.SIGSTOP)
    set_beat(folder, 100)
    assert hold(python).said["held"] is False, "100 s are not enough"
    assert runs(first.process.pid)
    set_beat(folder, 121)
    broke = hold(python).said["broke"]
    assert (broke["pid"], broke["owner"]) == (first.process.pid, "hangs")
    assert broke["age_s"] >= 121 and broke["why"] == "it gave no sign of life for more than 120 s"
    assert first.process.wait(120) == -signal.SIGKILL


def test_nobody_is_killed_for_a_number_in_a_file(oldest: Path, hold: Callable[..., Holder], folder: Path) -> None:
    first = hold(oldest)
    with subprocess.Popen(["sleep", "300"]) as bystander:
        set_beat(folder, 500, pid=bystander.pid)
        assert hold(oldest).said["held"] is False
        assert runs(bystander.pid) and runs(first.process.pid)
        bystander.kill()


def test_the_wall_clock_decides_nothing(
    oldest: Path, hold: Callable[..., Holder], folder: Path, tmp_path: Path
) -> None:
    hold(oldest)
    os.utime(folder / "lock", (0, 0))
    skewed = "import time\nnow = time.time\ntime.time = lambda: now() + 1e9\n"  # thirty years, as a network may set it
    modules = tree(tmp_path / "modules", {"sitecustomize.py": skewed})
    assert hold(oldest, PYTHONPATH=str(modules)).said["held"] is False


def test_what_is_left_of_an_earlier_start_of_the_board_does_not_count(
    oldest: Path, hold: Callable[..., Holder], folder: Path, root: Path
) -> None:
    first = hold(oldest)
    first.process.kill()
    first.process.wait()
    tree(root, {"proc/sys/kernel/random/boot_id": "another\n"})
    broke = hold(oldest).said["broke"]
    assert (broke["why"], broke["age_s"], broke["held_s"]) == ("the board was restarted", None, None)


@pytest.mark.parametrize("left", ["", "{", "[]", '{"pid": "x"}', "\0" * 4096, "[" * 100_000])
def test_a_lock_file_that_says_nothing_is_no_obstacle(
    oldest: Path, hold: Callable[..., Holder], folder: Path, left: str
) -> None:
    tree(folder, {"lock": left})
    assert hold(oldest).said == {"held": True, "broke": None, "restored": None, "changed": {}}


def test_a_beat_renews_the_card_and_notices_a_lock_that_was_removed(tmp_path: Path) -> None:
    lock = script.Lock(tmp_path, "me")
    assert lock.take(0) == (True, None)
    set_beat(tmp_path, 60)
    lock.beat()
    assert time.monotonic() - json.loads((tmp_path / "lock").read_text())["beat"] < 60
    (tmp_path / "lock").unlink()
    with pytest.raises(script.Failed, match="was removed while it was held"):
        lock.beat()
    lock.release()


def test_one_that_is_ended_while_it_tries_leaves_the_lock_to_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = script.Lock(tmp_path, "first"), script.Lock(tmp_path, "second")
    assert first.take(0) == (True, None)
    ending = script.SignalHandler()
    monkeypatch.setattr(script, "SIGNALS", ending)
    flock = script.fcntl.flock

    def ended_meanwhile(fd: int, how: int) -> None:
        ending._hear(signal.SIGTERM, None)
        flock(fd, how)

    monkeypatch.setattr(script.fcntl, "flock", ended_meanwhile)
    with pytest.raises(script.Ended):
        second.take(0)
    second.release()
    first.beat()
    first.release()
    assert not (tmp_path / "lock").exists()


def test_a_holder_removes_no_lock_but_its_own(tmp_path: Path) -> None:
    first, second = script.Lock(tmp_path, "first"), script.Lock(tmp_path, "second")
    assert first.take(0) == (True, None)
    (tmp_path / "lock").unlink()
    assert second.take(0) == (True, None)
    first.release()
    assert json.loads((tmp_path / "lock").read_text())["owner"] == "second"
    second.release()


# --- power mode and clocks


def test_nothing_is_changed_that_was_not_asked_for(oldest: Path, hold: Callable[..., Holder], root: Path) -> None:
    assert hold(oldest).ended() == 0
    assert (root / "state/calls").read_text() == ""


def test_a_power_mode_that_is_set_already_is_left_alone(oldest: Path, hold: Callable[..., Holder], root: Path) -> None:
    holder = hold(oldest, "--power-mode", "3")
    assert holder.said["changed"] == {}
    assert holder.ended() == 0
    assert "-m" not in (root / "state/calls").read_text()


@pytest.mark.parametrize("end", ["the leash", "SIGTERM"])
def test_power_mode_and_clocks_are_changed_and_put_back(
    python: Path, hold: Callable[..., Holder], root: Path, folder: Path, end: str
) -> None:
    holder = hold(python, "--power-mode", "0", "--max-clocks")
    assert holder.said["changed"] == {"power_mode": {"from": 3, "to": 0}, "clocks": True}
    assert state(root) == ("0", MAXIMAL)
    if end == "SIGTERM":
        holder.process.terminate()
    assert holder.ended() == 0
    assert state(root) == ("3", NORMAL)
    assert list(folder.iterdir()) == []


def test_clocks_that_were_locked_before_survive_a_change_of_power_mode(
    oldest: Path, hold: Callable[..., Holder], root: Path
) -> None:
    tree(root, {f"{GPU}/min_freq": MAXIMAL, f"{GPU}/cur_freq": MAXIMAL})
    holder = hold(oldest, "--power-mode", "0")
    assert holder.said["changed"] == {"power_mode": {"from": 3, "to": 0}, "clocks": False}
    tree(root, {f"{GPU}/min_freq": NORMAL})  # which the new mode does on a real board
    assert holder.ended() == 0
    assert state(root) == ("3", MAXIMAL)


def test_a_killed_holder_s_changes_are_put_back_by_the_next(
    python: Path, hold: Callable[..., Holder], root: Path, folder: Path
) -> None:
    first = hold(python, "--power-mode", "0", "--max-clocks")
    first.process.kill()
    first.process.wait()
    assert state(root) == ("0", MAXIMAL)
    second = hold(python)
    assert second.said["restored"] == {"power_mode": 3, "clocks": True}
    assert second.said["broke"]["pid"] == first.process.pid
    assert state(root) == ("3", NORMAL)
    assert second.ended() == 0 and list(folder.iterdir()) == []


def test_the_next_may_change_them_again_after_a_crash(oldest: Path, hold: Callable[..., Holder], root: Path) -> None:
    first = hold(oldest, "--power-mode", "0", "--max-clocks")
    first.process.kill()
    first.process.wait()
    second = hold(oldest, "--power-mode", "1", "--max-clocks")
    assert second.said["changed"] == {"power_mode": {"from": 3, "to": 1}, "clocks": True}
    assert second.ended() == 0
    assert state(root) == ("3", NORMAL)


def test_after_a_restart_only_the_power_mode_is_put_back(oldest: Path, hold: Callable[..., Holder], root: Path) -> None:
    first = hold(oldest, "--power-mode", "0", "--max-clocks")
    first.process.kill()
    first.process.wait()
    tree(root, {"proc/sys/kernel/random/boot_id": "another\n", "state/calls": "", f"{GPU}/min_freq": "5\n"})
    assert hold(oldest).said["restored"] == {"power_mode": 3, "clocks": False}
    assert state(root) == ("3", "5")


def refused(python: Path, folder: Path, root: Path, *options: str, **more: str) -> str:
    sentence: str = bench(python, "hold", "--folder", folder, "--owner", "me", *options, root=root, code=1, **more)[
        "error"
    ]
    assert not (folder / "lock").exists(), "the board is let go"
    return sentence


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--power-mode", "9"), "the board refused nvpmodel -m 9 (NVPM ERROR: invalid mode): leave power mode"),
        (("--power-mode", "4"), "nvpmodel did not switch to power mode 4"),
    ],
)
def test_a_tool_that_refuses_ends_it_and_leaves_all_as_it_was(
    python: Path, root: Path, folder: Path, options: tuple[str, ...], said: str
) -> None:
    assert said in refused(python, folder, root, *options, "--max-clocks")
    assert state(root) == ("3", NORMAL)
    assert list(folder.iterdir()) == []


def test_an_error_that_exits_with_0_is_one_and_what_was_changed_before_is_put_back(
    oldest: Path, root: Path, folder: Path
) -> None:
    tool = (root / "usr/bin/jetson_clocks").read_text()
    failing = tool.replace("'') cat", "'') echo 'Error: Failed to max GPU frequency!'; exit 0; cat")
    tree(root, {"usr/bin/jetson_clocks": failing})
    said = refused(oldest, folder, root, "--power-mode", "0", "--max-clocks")
    assert "the board refused jetson_clocks (Error: Failed to max GPU frequency!)" in said
    assert state(root) == ("3", NORMAL)


@pytest.mark.parametrize(
    ("tool", "option"), [("sbin/nvpmodel", ("--power-mode", "0")), ("bin/jetson_clocks", ("--max-clocks",))]
)
def test_a_board_without_the_tool_says_so(
    oldest: Path, root: Path, folder: Path, tool: str, option: tuple[str, ...]
) -> None:
    (root / "usr" / tool).unlink()
    assert "leave" in refused(oldest, folder, root, *option)
    assert state(root) == ("3", NORMAL)


@pytest.fixture
def ordinary(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment of an ordinary user whose sudo is the lines given."""

    def make(sudo: str) -> dict[str, str]:
        modules = tree(tmp_path / "modules", {"sitecustomize.py": "import os\nos.geteuid = lambda: 1000\n"})
        path = tree(tmp_path / "bin", {"sudo": f"#!/bin/sh\n{sudo}\n"})
        return {"PYTHONPATH": str(modules), "PATH": f"{path}:{os.environ['PATH']}"}

    return make


def test_an_ordinary_user_s_changes_go_through_sudo(
    python: Path, hold: Callable[..., Holder], root: Path, ordinary: Callable[[str], dict[str, str]]
) -> None:
    sudo = '[ "$1" = -n ] || exit 1; shift; echo "sudo: unable to resolve host tegra-ubuntu" >&2; exec "$@"'
    holder = hold(python, "--power-mode", "0", "--max-clocks", **ordinary(sudo))
    assert state(root) == ("0", MAXIMAL)
    assert holder.ended() == 0
    assert state(root) == ("3", NORMAL)


def test_a_sudo_that_wants_a_password_ends_it(
    oldest: Path, root: Path, folder: Path, ordinary: Callable[[str], dict[str, str]]
) -> None:
    asks = ordinary("echo 'sudo: a password is required' >&2; exit 1")
    said = refused(oldest, folder, root, "--power-mode", "0", **asks)
    assert said.startswith("the board refused nvpmodel -m 0 (sudo: a password is required): allow it in sudoers")
    assert state(root) == ("3", NORMAL)


def test_settings_that_cannot_be_put_back_stay_noted_and_say_what_to_do(
    oldest: Path, hold: Callable[..., Holder], root: Path, folder: Path, ordinary: Callable[[str], dict[str, str]]
) -> None:
    holder = hold(oldest, "--power-mode", "0")
    (root / "usr/sbin/nvpmodel").unlink()
    assert holder.ended() == 1
    assert b"could not be put back" in holder.stderr.read()
    assert (folder / "restore.json").exists() and not (folder / "lock").exists()
    assert f"then remove {folder / 'restore.json'}" in refused(oldest, folder, root)
    tree(root, {"usr/sbin/nvpmodel": NVPMODEL.format(root=root)})
    assert hold(oldest).said["restored"] == {"power_mode": 3, "clocks": False}


def test_it_ends_while_it_waits_when_the_leash_is_dropped(
    oldest: Path, hold: Callable[..., Holder], folder: Path, root: Path
) -> None:
    first = hold(oldest)
    with started(oldest, "hold", "--folder", folder, "--owner", "b", "--wait", "60", root=root) as waiting:
        waiting.stdin.close()  # type: ignore[union-attr]
        assert waiting.wait(120) == 1
        assert "ended by" in json.loads(waiting.stdout.read())["error"]  # type: ignore[union-attr]
    assert runs(first.process.pid)
    assert (folder / "lock").exists()
