"""Timings that are cut off, cancelled or killed on their way, and two at once."""

import os
import signal
import subprocess
import sys
import time

import pytest

from engine.boards.registry import Registry, parse
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.storage.timings.job import Timing
from tests.support.board_aftermath import Rigs, assert_nothing_lost_and_works_again, ended, failed, in_background
from tests.support.board_rig import Rig, in_phase
from tests.support.places import ROOT
from tests.support.storm import cleaned, wait_for


def _reached(here: Rig, made: Timing, phase: str) -> None:
    """The timing is well inside of a phase: its process runs on the board."""
    wait_for(lambda: in_phase(made, phase))
    wait_for(here.board.stalled)


def _stalling(rig: Rigs, phase: str) -> Rig:
    """A board on which `phase` takes for ever."""
    return rig(trtexec="stalls", when={"building": ("build",), "measuring": ("measure",)}[phase])


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
        assert made.status().state == "cancelled"
        assert here.settled() == [] and here.measured() == []
    here.board.behave(mode="good")
    assert_nothing_lost_and_works_again(here)


@pytest.mark.parametrize("how", ["cut", "cancel"])
def test_what_ends_in_the_middle_of_sending(rig: Rigs, how: str) -> None:
    here = rig()
    code = (
        "import sys, time\n"
        "from engine.boards.ssh import transfer\n"
        "from engine.jobs import child\n"
        "piece = transfer._read_chunk\n"
        "def slowed(file):\n"
        "    time.sleep(0.3)\n"
        "    return piece(file)\n"
        "transfer._read_chunk = slowed\n"
        "sys.exit(child.main(sys.argv[1:]))\n"
    )
    made = Queue(here.store).submit_timing(here.request())
    with cleaned(here.store):
        child = subprocess.Popen([sys.executable, "-c", code, str(here.store.root), made.id], cwd=ROOT)
        wait_for(lambda: list((here.board.cache / "espalier" / "models").glob("*.part")))
        if how == "cut":
            here.sshd.signal_sessions(signal.SIGKILL)
        else:
            Queue(here.store).cancel(made.id)
        wait_for(lambda: ended(made))
        child.wait(120)
    assert made.status().state == ("failed" if how == "cut" else "cancelled")
    parts = list((here.board.cache / "espalier").rglob("*.part"))
    if how == "cut":  # nobody could take it away any more: the next timing's tidying does, once it is old
        for part in parts:
            os.utime(part, (1, 1))
        assert here.timed().status().state == "done"
        assert here.settled() == [] and len(here.measured()) == 1
    else:
        assert parts == []
        assert_nothing_lost_and_works_again(here)


def test_a_worker_that_is_killed_leaves_its_timing_to_end_alone(rig: Rigs) -> None:
    here = rig(build_s=4.0)
    with in_background(here) as made:
        wait_for(lambda: in_phase(made, "building"))
        killed = worker.worker_of(here.store)
        assert killed is not None
        killed.signal(signal.SIGKILL)
        wait_for(lambda: ended(made))
        assert made.status().state == "done" and len(here.measured()) == 1
    assert here.settled() == []


def test_a_timing_whose_process_is_killed_is_done_again_with_the_settings_put_back_meanwhile(rig: Rigs) -> None:
    here = rig(build_s=5.0, mode=1)
    before = (here.board.power_mode, here.board.gpu_clocks())
    with in_background(here, max_clocks=True, power_mode=0) as made:
        wait_for(lambda: in_phase(made, "building"))
        assert here.board.power_mode == 0
        owner = made.lock.owner()
        assert owner is not None
        owner.signal(signal.SIGKILL)
        wait_for(lambda: ended(made))
        assert made.status().state == "done"
        assert "interrupted" in [event["kind"] for event in made.event_lines()]
    assert (here.board.power_mode, here.board.gpu_clocks()) == before
    assert here.settled() == [] and len(here.measured()) == 1


def test_two_boards_are_timed_side_by_side_and_one_board_never_twice(rig: Rigs) -> None:
    here = rig(build_s=3.0)
    Registry(here.store.root).add(parse("other", here.sshd.target))
    queue = Queue(here.store)
    first, second = (queue.submit_timing(here.request(wait=60, seconds=s)) for s in (0.2, 0.3))
    other = queue.submit_timing(here.request(device="other", wait=60))
    overlapped = False
    with cleaned(here.store):
        worker.start_detached(here.store)
        while not all(map(ended, (first, second, other))):
            running = {made.id for made in (first, second, other) if made.status().state == "running"}
            assert not {first.id, second.id} <= running
            overlapped = overlapped or {first.id, other.id} <= running
            time.sleep(0.02)
    assert overlapped and {made.status().state for made in (first, second, other)} == {"done"}
    assert here.settled() == []
