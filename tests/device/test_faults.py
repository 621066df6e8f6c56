"""What can go wrong in a timing: the sentence the user sees, nothing left on the board, and a second try that works."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.cli import main
from engine.device import job, runtimes
from engine.device.registry import Registry, parse
from engine.jobs import worker
from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.store import Run, Timing
from engine.timing import PointId
from tests.device.rig import NAME, Rig, in_phase
from tests.jobs.harness import cleaned, wait_for

Rigs = Callable[..., Rig]


def failed(made: Timing) -> str:
    """The sentence a failed timing shows; it is one line, and nothing that looks like a traceback."""
    status = made.status()
    assert status["state"] == "failed", status
    assert "\n" not in status["error"] and "Traceback" not in status["error"] and len(status["error"]) < 600
    return str(status["error"])


def assert_nothing_lost_and_works_again(here: Rig, measured: int = 0) -> None:
    """Nothing half-written anywhere, the lock is free, and the same request goes through now."""
    assert here.settled() == [] and len(here.measured()) == measured
    again = here.timed(wait=0)
    assert again.status()["state"] == "done", again.status()["message"]
    assert len(here.measured()) == measured + 1 and here.settled() == []


def pointed_at(here: Rig, target: str) -> None:
    Registry(here.store.root).remove(NAME)
    Registry(here.store.root).add(parse(NAME, target))


@contextmanager
def in_background(here: Rig, **more: Any) -> Iterator[Timing]:
    """A queued timing that a real worker and a real child work on."""
    made = Queue(here.store).submit_timing(here.request(**more))
    with cleaned(here.store):
        worker.start_detached(here.store)
        yield made


def ended(made: Timing) -> bool:
    return made.status()["state"] in ("done", "failed", "cancelled")


# -- before the board is reached


def test_a_host_that_cannot_be_reached(rig: Rigs) -> None:
    here = rig()
    pointed_at(here, "root@no-such-board.invalid")
    assert "no-such-board.invalid" in failed(here.timed())
    pointed_at(here, here.sshd.target)
    assert_nothing_lost_and_works_again(here)


def test_a_wrong_port(rig: Rigs) -> None:
    here = rig()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        pointed_at(here, f"root@127.0.0.1:{free.getsockname()[1]}")
        assert "port" in failed(here.timed()) or "refused" in failed(here.timed())
    pointed_at(here, here.sshd.target)
    assert_nothing_lost_and_works_again(here)


def test_a_login_that_is_refused(rig: Rigs, key: Path) -> None:
    here = rig()
    authorized = here.sshd.folder / "authorized_keys"
    keys = authorized.read_text()
    authorized.write_text("")
    assert "key" in failed(here.timed())
    authorized.write_text(keys)
    assert_nothing_lost_and_works_again(here)


def test_a_host_key_that_has_changed(rig: Rigs) -> None:
    here = rig()
    here.sshd.restart(new_key=True)
    sentence = failed(here.timed())
    assert here.sshd.fingerprint in sentence and "device trust" in sentence
    here.trust()
    assert_nothing_lost_and_works_again(here)


def test_a_host_key_that_nobody_has_trusted(rig: Rigs) -> None:
    here = rig()
    (here.store.root / "known_hosts").unlink()
    assert "device trust" in failed(here.timed())
    here.trust()
    assert_nothing_lost_and_works_again(here)


# -- trtexec


def test_a_board_without_trtexec_and_onnx_runtime(rig: Rigs) -> None:
    here = rig(trtexec="missing")
    sentence = failed(here.timed())
    assert "trtexec" in sentence and "onnxruntime" in sentence and here.settled() == []


@pytest.mark.parametrize(
    ("mode", "when", "word"),
    [
        ("fails", None, "HardSwish"),
        ("fails", ("measure",), "failed"),
        ("oom", None, "memory"),
        ("oom", ("measure",), "memory"),
        ("killed", None, "memory"),
        ("silent", ("build",), "nothing"),
        ("silent", ("measure",), "nothing"),
        ("nan", ("measure",), "nan"),
    ],
)
def test_what_trtexec_gets_wrong(rig: Rigs, mode: str, when: tuple[str, ...] | None, word: str) -> None:
    here = rig(trtexec=mode, when=when)
    assert word in failed(here.timed())
    here.board.behave(mode="good")
    assert_nothing_lost_and_works_again(here)


@pytest.mark.parametrize(("when", "limits"), [("build", {"build_limit": 5}), ("measure", {"limit": 5, "rounds": 1})])
def test_a_trtexec_that_stalls_is_ended_at_its_limit(
    rig: Rigs, when: str, limits: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "START_SECONDS", 1.0)
    here = rig(trtexec="stalls", when=(when,))
    assert "did not end within" in failed(here.timed(**limits))
    here.board.behave(mode="good")
    assert_nothing_lost_and_works_again(here)


def test_a_trtexec_that_is_slow_to_start_is_told_to_measure_for_less_than_it_is_given(rig: Rigs) -> None:
    here = rig(measure_s=3.0)
    made = here.timed(limit=5, rounds=1, seconds=60)
    assert made.status()["state"] == "done", made.status()["message"]
    durations = [next(a for a in run.argv if a.startswith("--duration=")) for run in here.board.runs()]
    assert durations and set(durations) == {"--duration=3"}  # 2.5, as one more turn may follow; 8.2 takes whole seconds


def test_an_engine_that_is_damaged_is_removed_and_built_anew(rig: Rigs) -> None:
    here = rig()
    assert here.timed().status()["state"] == "done"
    (engine,) = (here.board.cache / "espalier" / "engines").glob("*.engine")
    engine.write_bytes(bytes(engine.stat().st_size))
    sentence = failed(here.timed())
    assert "removed from the board" in sentence and not engine.exists()
    assert_nothing_lost_and_works_again(here, measured=1)


def test_warnings_are_kept_and_do_not_harm(rig: Rigs) -> None:
    here = rig(trtexec="warns")
    made = here.timed()
    assert made.status()["state"] == "done" and any("INT64" in line or "arn" in line for line in made.log_tail(80))


# -- the board itself


def test_a_full_disk_on_the_board(rig: Rigs) -> None:
    here = rig()
    disk = here.board.cache / "espalier"
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.decode().strip()}")
    try:
        sentence = failed(here.timed())
        assert "free" in sentence or "room" in sentence
        assert here.settled() == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    assert_nothing_lost_and_works_again(here)


def test_a_board_whose_clock_is_years_off(rig: Rigs, tmp_path: Path) -> None:
    skewed = tmp_path / "skewed"
    skewed.mkdir()
    shift = "import time\n_real = time.time\ntime.time = lambda: _real() - 20 * 365 * 86400\n"
    (skewed / "sitecustomize.py").write_text(shift)
    here = rig()
    here.sshd.environment["PYTHONPATH"] = str(skewed)
    here.sshd.restart()
    made = here.timed()
    assert made.status()["state"] == "done", made.status()["message"]
    (found,) = here.measured()
    assert abs(found["at"] - time.time()) < 60 and found["n"] > 0


def test_a_second_timing_waits_for_the_first_and_is_told_whose_it_is(rig: Rigs) -> None:
    here = rig(build_s=3.0)
    with in_background(here) as first:
        wait_for(lambda: in_phase(first, "building"))
        refused = failed(here.timed(wait=0))
        assert first.id in refused and "holds" in refused
        second = here.store.create_timing(here.request(wait=60), foreground=True)
        said: list[str] = []
        follower = threading.Thread(target=lambda: _follow(second, said))
        follower.start()
        assert execute(second, job.run) == "done"
        follower.join()
        assert any(first.id in message for message in said)
        wait_for(lambda: ended(first))
    assert len(here.measured()) == 2 and here.settled() == []


def _follow(made: Timing, said: list[str]) -> None:
    while not ended(made):
        said.append(made.status()["message"])
        time.sleep(0.05)


# -- in the middle of it


def _reached(here: Rig, made: Timing, phase: str) -> None:
    """The timing is well inside of a phase: its process runs on the board."""
    wait_for(lambda: in_phase(made, phase))
    if phase != "sending":
        wait_for(here.board.stalled)


def _stalling(rig: Rigs, phase: str) -> Rig:
    """A board on which `phase` takes for ever; sending is made slow by the bandwidth that sshd's side reads with."""
    when = {"building": ("build",), "measuring": ("measure",)}.get(phase, ())
    return rig(trtexec="stalls", when=when) if when else rig()


@pytest.mark.parametrize("phase", ["building", "measuring"])
def test_a_connection_that_is_cut(rig: Rigs, phase: str) -> None:
    here = _stalling(rig, phase)
    with in_background(here) as made:
        _reached(here, made, phase)
        assert here.sshd.signal_sessions(signal.SIGKILL) > 0
        wait_for(lambda: ended(made))
        assert "cut" in failed(made) or "connection" in failed(made)
    here.board.behave(mode="good")
    assert_nothing_lost_and_works_again(here)


@pytest.mark.parametrize("phase", ["building", "measuring"])
def test_cancelling_leaves_nothing_on_the_board(rig: Rigs, phase: str) -> None:
    here = _stalling(rig, phase)
    with in_background(here) as made:
        _reached(here, made, phase)
        Queue(here.store).cancel(made.id)
        wait_for(lambda: ended(made))
        assert made.status()["state"] == "cancelled"
        assert here.settled() == [] and here.measured() == []
    here.board.behave(mode="good")
    assert_nothing_lost_and_works_again(here)


@pytest.mark.parametrize("how", ["cut", "cancel"])
def test_what_ends_in_the_middle_of_sending(rig: Rigs, how: str) -> None:
    here = rig()
    code = (
        "import sys, time\n"
        "from engine.device.connection import transfer\n"
        "from engine.jobs import child\n"
        "piece = transfer._piece\n"
        "def slowed(file):\n"
        "    time.sleep(0.3)\n"
        "    return piece(file)\n"
        "transfer._piece = slowed\n"
        "sys.exit(child.main(sys.argv[1:]))\n"
    )
    made = Queue(here.store).submit_timing(here.request())
    with cleaned(here.store):
        child = subprocess.Popen([sys.executable, "-c", code, str(here.store.root), made.id], cwd=worker.PROJECT)
        wait_for(lambda: list((here.board.cache / "espalier" / "models").glob("*.part")))
        if how == "cut":
            here.sshd.signal_sessions(signal.SIGKILL)
        else:
            Queue(here.store).cancel(made.id)
        wait_for(lambda: ended(made))
        child.wait(20)
    assert made.status()["state"] == ("failed" if how == "cut" else "cancelled")
    parts = list((here.board.cache / "espalier").rglob("*.part"))
    if how == "cut":  # nobody could take it away any more: the next timing's tidying does, once it is old
        for part in parts:
            os.utime(part, (1, 1))
        assert here.timed().status()["state"] == "done"
        assert here.settled() == [] and len(here.measured()) == 1
    else:
        assert parts == []
        assert_nothing_lost_and_works_again(here)


def test_a_worker_that_is_killed_leaves_its_timing_to_end_alone(rig: Rigs) -> None:
    here = rig(build_s=2.0)
    with in_background(here) as made:
        wait_for(lambda: in_phase(made, "building"))
        killed = worker.worker_of(here.store)
        assert killed is not None
        killed.signal(signal.SIGKILL)
        wait_for(lambda: ended(made))
        assert made.status()["state"] == "done" and len(here.measured()) == 1
    assert here.settled() == []


def test_a_timing_whose_process_is_killed_is_done_again_with_the_settings_put_back_meanwhile(rig: Rigs) -> None:
    here = rig(build_s=3.0, mode=1)
    before = (here.board.power_mode, here.board.gpu_clocks())
    with in_background(here, max_clocks=True, power_mode=0) as made:
        wait_for(lambda: in_phase(made, "building"))
        assert here.board.power_mode == 0
        owner = made.lock.owner()
        assert owner is not None
        owner.signal(signal.SIGKILL)
        wait_for(lambda: ended(made), 40.0)
        assert made.status()["state"] == "done"
        assert "interrupted" in [event["kind"] for event in made.events()]
    assert (here.board.power_mode, here.board.gpu_clocks()) == before
    assert here.settled() == [] and len(here.measured()) == 1


def test_two_boards_are_timed_side_by_side_and_one_board_never_twice(rig: Rigs) -> None:
    here = rig(build_s=1.5)
    Registry(here.store.root).add(parse("other", here.sshd.target))
    queue = Queue(here.store)
    first, second = (queue.submit_timing(here.request(wait=60, seconds=s)) for s in (0.2, 0.3))
    other = queue.submit_timing(here.request(device="other", wait=60))
    overlapped = False
    with cleaned(here.store):
        worker.start_detached(here.store)
        while not all(map(ended, (first, second, other))):
            running = {made.id for made in (first, second, other) if made.status()["state"] == "running"}
            assert not {first.id, second.id} <= running
            overlapped = overlapped or {first.id, other.id} <= running
            time.sleep(0.02)
    assert overlapped and {made.status()["state"] for made in (first, second, other)} == {"done"}
    assert here.settled() == []


# -- what holds the board


def holders(here: Rig) -> list[psutil.Process]:
    """The processes on the board that hold it, without the `timeout` that each runs under."""
    return [p for p in here.sshd.commands() if "hold" in (words := p.cmdline()) and "python" in words[0]]


def meanwhile(made: Timing, phase: str, act: Callable[[], object]) -> threading.Thread:
    """Does `act` as soon as the timing is in `phase`."""
    thread = threading.Thread(target=lambda: (wait_for(lambda: in_phase(made, phase)), act()))
    thread.start()
    return thread


def test_a_board_that_is_let_go_in_the_middle_is_not_measured_on(rig: Rigs) -> None:
    here = rig(mode=1, build_s=1.0)
    made = here.store.create_timing(here.request(power_mode=0, max_clocks=True), foreground=True)
    thread = meanwhile(made, "building", lambda: [process.terminate() for process in holders(here)])
    execute(made, job.run)
    thread.join()
    assert "tx2 was let go in the middle, so nothing was recorded" in failed(made)
    assert here.board.power_mode == 1
    assert_nothing_lost_and_works_again(here)


def test_settings_that_cannot_be_put_back_are_told_and_what_was_measured_is_kept(rig: Rigs) -> None:
    here = rig(mode=1, measure_s=1.0)
    power = here.board.root / "fake" / "power.json"
    normal = power.read_text()
    made = here.store.create_timing(here.request(power_mode=0), foreground=True)
    thread = meanwhile(made, "measuring", lambda: power.write_text(json.dumps({**json.loads(normal), "refuses": True})))
    execute(made, job.run)
    thread.join()
    sentence = failed(made)
    assert "could not be put back" in sentence and "nvpmodel -m" in sentence
    assert [found["power_mode"] for found in here.measured()] == ["MAXN"] and here.board.power_mode == 0
    power.write_text(normal)
    assert here.timed().status()["state"] == "done"
    assert here.board.power_mode == 1 and here.settled() == []


def test_a_power_mode_that_somebody_else_changes_spoils_the_timing(rig: Rigs) -> None:
    here = rig(mode=1, measure_s=1.0)
    made = here.store.create_timing(here.request(rounds=1), foreground=True)
    status = here.board.root / "fake" / "nvpmodel.status"
    thread = meanwhile(made, "measuring", lambda: status.write_text("0\n"))
    execute(made, job.run)
    thread.join()
    assert "went from power mode MAXQ to MAXN while it was timed" in failed(made) and here.measured() == []


def test_what_holds_the_board_may_say_anything(rig: Rigs) -> None:
    here = rig()
    assert here.timed().status()["state"] == "done"
    lock = here.board.cache / "espalier" / "lock"
    evil = {"pid": 1, "owner": "\x1b]0;pwned\x07" + "A" * 5000, "since": 0, "beat": 0, "boot_id": "x"}
    for card, who in (
        ("", "another timing holds tx2"),
        (json.dumps(evil), "AAA"),
        ('{"pid": Infinity}', "another timing"),
    ):
        lock.write_text(card)
        with lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            sentence = failed(here.timed(wait=0))
        assert who in sentence and sentence.isprintable(), sentence
    assert_nothing_lost_and_works_again(here, measured=1)


# -- what was measured


def test_a_timing_that_is_stopped_while_it_hands_over_does_so_once(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    here = rig()
    append = Run.append_measurement

    def stopped(run: Run, measurement: dict[str, Any]) -> None:
        append(run, measurement)
        monkeypatch.setattr(Run, "append_measurement", append)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Run, "append_measurement", stopped)
    made = here.timed(*here.points)
    assert made.status()["state"] == "interrupted" and "starts anew" in made.status()["message"]
    assert [len(here.measured(point)) for point in here.points] == [1, 0]
    Queue(here.store).resume(made.id)
    here.sshd.stop()
    assert execute(made, job.run) == "done"
    assert [len(here.measured(point)) for point in here.points] == [1, 1]


def test_a_run_that_is_deleted_while_it_is_timed_takes_only_its_own_with_it(rig: Rigs) -> None:
    here = rig(measure_s=0.6)
    copy = here.store.folder / here.points[1].run
    shutil.copytree(here.store.run(here.points[1].run).path, copy.with_name("20260131-095959-0a1b2c3d"))
    other = PointId(run="20260131-095959-0a1b2c3d", point=here.points[1].point)
    made = here.store.create_timing(here.request(here.points[0], other), foreground=True)
    thread = meanwhile(made, "measuring", lambda: here.store.delete(other.run))
    execute(made, job.run)
    thread.join()
    assert "run 20260131-095959-0a1b2c3d was deleted while it was timed" in failed(made)
    assert len(here.measured()) == 1 and here.settled() == []


# -- names that mean harm


@pytest.mark.parametrize(
    "name", ["; rm -rf ~", "a b", "$(touch x)", "`id`", '"', "\n", "ü", "-oProxyCommand=x", "..", ""]
)
def test_hostile_names_fail_cleanly(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = ["--results", str(tmp_path / "results")]
    for command in (
        ["add", *results, "--", name, "root@127.0.0.1"],
        ["add", *results, "--", "board", f"{name}@"],
        ["add", *results, "--jump", f"{name}@", "--", "board", "root@127.0.0.1"],
        ["probe", *results, "--", name],
        ["trust", *results, "--", name],
        ["time", *results, "--point", "1", "--", "board", name],
        ["time", *results, "--point", "1", "--also", name, "--", "board", "20260131-095959-0a1b2c3d"],
    ):
        code = main(["device", *command])
        said = capsys.readouterr()
        assert code == 2 and said.out == "" and len(said.err.strip().splitlines()) == 1, (command, said)
        assert "should not have happened" not in said.err
    assert not (tmp_path / "results" / "devices.toml").exists()
