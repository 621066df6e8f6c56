"""What can go wrong in a timing: the sentence the user sees, nothing left on the board, and a second try that works."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from engine.boards import runtimes, timing_job
from engine.cli.main import main
from engine.jobs.child import execute
from engine.storage.timings.job import Timing
from tests.support.board_aftermath import (
    Rigs,
    assert_nothing_lost_and_works_again,
    ended,
    failed,
    in_background,
    pointed_at,
)
from tests.support.board_rig import in_phase
from tests.support.storm import wait_for

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
        ("crashes", ("measure",), "crashed with a segmentation fault"),
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
    assert made.status().state == "done", made.status().message
    durations = [next(a for a in run.argv if a.startswith("--duration=")) for run in here.board.runs()]
    assert durations and set(durations) == {"--duration=3"}  # 2.5, as one more turn may follow; 8.2 takes whole seconds


@pytest.mark.parametrize("foreign", [False, True], ids=["damaged", "of another GPU"])
def test_an_engine_that_the_board_refuses_is_told_and_built_anew(rig: Rigs, foreign: bool) -> None:
    here = rig()
    assert here.timed().status().state == "done"
    (engine,) = (here.board.cache / "espalier" / "engines").glob("*.engine")
    if foreign:
        here.board.behave(compute="7.2")
    else:
        engine.write_bytes(bytes(engine.stat().st_size))
    made = here.timed()
    assert made.status().state == "done", made.status().message
    why = "built for another GPU (compute 6.2, here 7.2)" if foreign else "not built by TensorRT 8.2.1"
    assert [line for line in made.log_tail(80) if why in line and "built anew" in line]
    assert len(here.measured()) == 2 and here.settled() == []


def test_a_workspace_that_is_too_small_is_told_and_can_be_raised(rig: Rigs) -> None:
    here = rig()
    here.board.behave(needs_workspace=3000)
    sentence = failed(here.timed())
    assert "Conv_0 within the workspace of 1024 MiB" in sentence and sentence.endswith("--workspace 4096")
    assert here.timed(workspace=4096).status().state == "done"
    assert here.measured()[0]["settings"]["workspace_mib"] == 4096
    assert sum("--workspace=4096" in call for call in here.board.calls("trtexec")) == 1


def test_warnings_are_kept_and_do_not_harm(rig: Rigs) -> None:
    here = rig(trtexec="warns")
    made = here.timed()
    assert made.status().state == "done" and any("INT64" in line or "arn" in line for line in made.log_tail(80))


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
    assert made.status().state == "done", made.status().message
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
        assert execute(second, timing_job.run) == "done"
        follower.join()
        assert any(first.id in message for message in said)
        wait_for(lambda: ended(first))
    assert len(here.measured()) == 2 and here.settled() == []


def _follow(made: Timing, said: list[str]) -> None:
    while not ended(made):
        said.append(made.status().message)
        time.sleep(0.05)


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
