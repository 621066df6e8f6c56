"""A lock is free as soon as its holder is dead, and a process is not mistaken for another of the same number."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.errors import WorkError
from engine.storage.locks import Lock, Process
from tests.support.places import ROOT

HOLD = (
    "import sys, time; from pathlib import Path; from engine.storage.locks import Lock\n"
    "assert Lock(Path(sys.argv[1])).acquire(sign=True); l = 1; print('held', flush=True); time.sleep(600)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def holder(path: Path) -> subprocess.Popen[str]:
    code = HOLD.replace("assert Lock(Path(sys.argv[1]))", "lock = Lock(Path(sys.argv[1])); assert lock")
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_lock_has_one_holder_until_that_is_killed(path: Path) -> None:
    process = holder(path)
    try:
        lock = Lock(path)
        assert lock.is_taken() and not lock.acquire(wait=0.05)
        owner = lock.owner()
        assert owner is not None and owner.pid == process.pid
        process.kill()
        process.wait()
        assert not lock.is_taken() and lock.owner() is None
        assert lock.signer() == owner and not owner.alive()
        assert lock.acquire()
    finally:
        process.kill()


def test_looking_does_not_take_a_lock_nor_make_one(path: Path) -> None:
    assert not Lock(path).is_taken() and not path.exists()
    first = Lock(path)
    first.acquire()
    first.release()
    assert not Lock(path).is_taken() and Lock(path).acquire(wait=0.0)


def test_a_lock_that_was_let_go_of_names_nobody(path: Path) -> None:
    lock = Lock(path)
    lock.acquire(sign=True)
    assert lock.owner() == Process.current()
    lock.release()
    assert lock.signer() is None


def test_a_forked_process_does_not_keep_what_was_let_go_of(path: Path) -> None:
    lock = Lock(path)
    lock.acquire()
    fork = os.fork()
    if fork == 0:
        signal.pause()
    try:
        lock.release()
        assert not Lock(path).is_taken()
    finally:
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)


def test_a_lock_whose_file_was_moved_away_is_not_one(path: Path) -> None:
    old = Lock(path)
    old.acquire()
    path.rename(path.with_name("moved"))
    assert Lock(path).acquire(wait=0.0)


def test_a_lock_in_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="cannot write"):
        Lock(tmp_path / "none" / "lock").acquire()


def test_zombies_and_later_processes_of_the_same_number_are_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    me = Process.of(process.pid)
    while me.alive():  # it is not waited for yet, so it stays as a zombie
        time.sleep(0.01)
    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    process.wait()
    assert not me.alive()
    later = Process(os.getpid(), Process.current().birth + "0")
    assert Process.current().alive() and not later.alive()
    later.signal(signal.SIGKILL)  # this test goes on
