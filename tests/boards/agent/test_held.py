"""Whose the board is while it is timed, how it is left, and where the measurements go."""

import fcntl
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from engine.boards import timing_job
from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.spec.board_timing import PointId
from engine.storage.folders.run import Run
from engine.storage.timings.job import Timing
from tests.support.board_aftermath import Rigs, assert_nothing_lost_and_works_again, failed
from tests.support.board_rig import Rig, in_phase, words_of
from tests.support.storm import wait_for


def holders(here: Rig) -> list[psutil.Process]:
    """The processes on the board that hold it, without the `timeout` that each runs under."""
    found = ((process, words_of(process)) for process in here.sshd.commands())
    return [process for process, words in found if "hold" in words and "python" in words[0]]


def meanwhile(made: Timing, phase: str, act: Callable[[], object]) -> threading.Thread:
    """Does `act` as soon as the timing is in `phase`."""
    thread = threading.Thread(target=lambda: (wait_for(lambda: in_phase(made, phase)), act()))
    thread.start()
    return thread


def test_a_board_that_is_let_go_in_the_middle_is_not_measured_on(rig: Rigs) -> None:
    here = rig(mode=1, build_s=4.0)
    made = here.store.create_timing(here.request(power_mode=0, max_clocks=True), foreground=True)
    thread = meanwhile(made, "building", lambda: [process.terminate() for process in holders(here)])
    execute(made, timing_job.run)
    thread.join()
    assert "tx2 was let go in the middle, so nothing was recorded" in failed(made)
    assert here.board.power_mode == 1
    assert_nothing_lost_and_works_again(here)


def test_settings_that_cannot_be_put_back_are_told_and_what_was_measured_is_kept(rig: Rigs) -> None:
    here = rig(mode=1, measure_s=3.0)
    power = here.board.root / "fake" / "power.json"
    normal = power.read_text()
    made = here.store.create_timing(here.request(power_mode=0), foreground=True)
    thread = meanwhile(made, "measuring", lambda: power.write_text(json.dumps({**json.loads(normal), "refuses": True})))
    execute(made, timing_job.run)
    thread.join()
    sentence = failed(made)
    assert "could not be put back" in sentence and "nvpmodel -m" in sentence
    assert [found["power_mode"] for found in here.measured()] == ["MAXN"] and here.board.power_mode == 0
    power.write_text(normal)
    assert here.timed().status().state == "done"
    assert here.board.power_mode == 1 and here.settled() == []


def test_a_power_mode_that_somebody_else_changes_spoils_the_timing(rig: Rigs) -> None:
    here = rig(mode=1, measure_s=3.0)
    made = here.store.create_timing(here.request(rounds=1), foreground=True)
    status = here.board.root / "fake" / "nvpmodel.status"
    thread = meanwhile(made, "measuring", lambda: status.write_text("0\n"))
    execute(made, timing_job.run)
    thread.join()
    assert "went from power mode MAXQ to MAXN while it was timed" in failed(made) and here.measured() == []


def test_what_holds_the_board_may_say_anything(rig: Rigs) -> None:
    here = rig()
    assert here.timed().status().state == "done"
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
    assert made.status().state == "interrupted" and "starts anew" in made.status().message
    assert [len(here.measured(point)) for point in here.points] == [1, 0]
    Queue(here.store).resume(made.id)
    here.sshd.stop()
    assert execute(made, timing_job.run) == "done"
    assert [len(here.measured(point)) for point in here.points] == [1, 1]


def test_a_run_that_is_deleted_while_it_is_timed_takes_only_its_own_with_it(rig: Rigs) -> None:
    here = rig(measure_s=2.0)
    copy = here.store.folder / here.points[1].run
    shutil.copytree(here.store.run(here.points[1].run).path, copy.with_name("20260131-095959-0a1b2c3d"))
    other = PointId(run="20260131-095959-0a1b2c3d", point=here.points[1].point)
    made = here.store.create_timing(here.request(here.points[0], other), foreground=True)
    thread = meanwhile(made, "measuring", lambda: here.store.delete(other.run))
    execute(made, timing_job.run)
    thread.join()
    assert "run 20260131-095959-0a1b2c3d was deleted while it was timed" in failed(made)
    assert len(here.measured()) == 1 and here.settled() == []
