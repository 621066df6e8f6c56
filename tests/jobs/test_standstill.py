"""The queue never stands still by itself: power cuts, damaged states, moved clocks, folders that vanish, crowds."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engine.cli.main import main
from engine.errors import WorkError
from engine.jobs import worker
from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.storage.folders.run import Run
from engine.storage.locks import Process
from engine.storage.records.point import Point
from engine.storage.records.status import ENDED
from engine.storage.store import Store
from tests.support import standin
from tests.support.places import ROOT
from tests.support.standin import child_command, make_spec, worker_command
from tests.support.storm import child_of, own, wait_for

EPOCHS = 60


def undisturbed(folder: Path, run: Run) -> list[Point]:
    calm = Store(folder / "calm", gallery=folder / "none").create(run.spec(), foreground=True)
    assert execute(calm, functools.partial(standin.steady, pause=0.0)) == "done"
    return calm.points()


def working_child(run: Run, steps: int = 0) -> Process:
    """The process of a run, once the run is more than so many steps old."""
    wait_for(lambda: run.status_or_new().state == "running" and run.steps() > steps and run.lock.owner())
    owner = run.lock.owner()
    assert owner is not None
    return owner


class Meanwhile(threading.Thread):
    """Does something while a worker works in the main thread; what goes wrong in it fails the test."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._action, self._error = action, None

    def run(self) -> None:
        try:
            self._action()
        except BaseException as error:  # is raised in the test
            self._error = error

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.join(240)
        if self._error is not None:
            raise self._error


# -- a power cut


def test_after_a_power_cut_whoever_looks_starts_the_queue_again(
    store: Store, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.tables import store as page

    monkeypatch.setattr(worker, "start_detached", functools.partial(worker.start_detached, command=worker_command))
    monkeypatch.setenv("ESPALIER_RESULTS", str(store.root))
    run, waiting = queue.submit(make_spec(epochs=EPOCHS)), queue.submit(make_spec(seed=1, epochs=5))
    where = ["--results", str(store.root)]
    looks = {
        "runs": lambda: main(["runs", *where]),
        "show": lambda: main(["show", waiting.id, *where]),
        "page": lambda: 0 if page.settled_token() else 1,
        "resume": lambda: main(["resume", run.id, *where]),
    }
    assert main(["resume", run.id, *where]) == 0, "of one that waits without a worker"
    steps = 0
    for name, look in looks.items():
        child = working_child(run, steps)
        steps = run.steps()
        process = wait_for(lambda: worker.worker_of(store))
        for victim in (process, child):
            victim.signal(signal.SIGKILL)
        wait_for(lambda process=process, child=child: not process.alive() and not child.alive())
        assert worker.worker_of(store) is None and run.observed_status().state == "interrupted", name
        assert look() == 0, name
        wait_for(lambda: worker.worker_of(store) is not None)
    wait_for(lambda: queue.counts()["done"] == 2)
    assert run.points() == undisturbed(tmp_path, run)


def test_a_worker_that_is_lost_before_its_first_heartbeat_is_replaced_too(store: Store, queue: Queue) -> None:
    queue.submit(make_spec(epochs=5))
    code = "import os, sys; from pathlib import Path; from engine.jobs import worker; from engine.storage.store import "
    code += "Store; worker._loop = lambda *_: os.kill(os.getpid(), 9); worker.work(Store(Path(sys.argv[1])))"
    subprocess.run([sys.executable, "-c", code, str(store.root)], cwd=ROOT, check=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "start_detached", functools.partial(worker.start_detached, command=worker_command))
        worker.replace_lost(store)
    wait_for(lambda: queue.counts()["done"] == 1)


def test_show_says_that_a_process_was_lost(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.create(make_spec(), foreground=True)
    run.update(state="running")
    run.lock.release()
    assert main(["show", run.id, "--results", str(store.root)]) == 0
    assert "its process was lost" in capsys.readouterr().out


# -- the state of the running job


def truncate(status: Path, victim: Path) -> None:
    status.write_bytes(b"")


def vanish(status: Path, victim: Path) -> None:
    status.unlink()


def become_a_folder(status: Path, victim: Path) -> None:
    status.unlink()
    (status / "inside").mkdir(parents=True)


def become_a_pipe(status: Path, victim: Path) -> None:
    status.unlink()
    os.mkfifo(status)


def become_a_link(status: Path, victim: Path) -> None:
    status.unlink()
    status.symlink_to(victim)


@pytest.mark.parametrize("damage", [truncate, vanish, become_a_folder, become_a_pipe, become_a_link])
def test_a_damaged_state_stops_neither_its_run_nor_the_next(
    store: Store, queue: Queue, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    run, following = queue.submit(make_spec(epochs=20)), queue.submit(make_spec(seed=1, epochs=5))
    victim = tmp_path / "victim"
    victim.write_text("{}")

    def harm() -> None:
        child = working_child(run)
        child.signal(signal.SIGSTOP)  # so that somebody sees the damage
        damage(run.path / "status.json", victim)
        time.sleep(0.6)
        assert "damaged" in str(own(store)[-1]["message"])
        child.signal(signal.SIGCONT)

    with Meanwhile(harm):
        worker.work(store, drain=True, command=child_command("steady"))
    assert [job.status().state for job in (run, following)] == ["done", "done"]
    assert run.points() == undisturbed(tmp_path, run) and victim.read_text() == "{}"
    assert len(run.event_lines()) == 20, "one child, in one go"


# -- the clock


@pytest.mark.parametrize("step", [2.0, -3600.0, 86400.0])
def test_a_step_of_the_clock_kills_nobody(
    store: Store, queue: Queue, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    run = queue.submit(make_spec(epochs=40))
    now, boot = time.time, psutil.boot_time()

    def move_clock() -> None:
        working_child(run)
        monkeypatch.setattr(time, "time", lambda: now() + step)
        for module in (psutil, psutil._psplatform):  # what a process' birth is added to there
            monkeypatch.setattr(module, "boot_time", lambda: boot + step)
        monkeypatch.setattr(psutil._psplatform, "BOOT_TIME", boot + step, raising=False)
        time.sleep(0.5)
        assert worker.worker_of(store) == Process.current(), "it is not taken for another one"
        assert not worker.start_detached(store, worker_command), "nor for one that hangs"

    with Meanwhile(move_clock):
        worker.work(store, drain=True, command=child_command("steady"))
    assert run.status().state == "done" and run.status().crashes == 0
    assert len(run.event_lines()) == 40, "one child, in one go"


# -- many at once


def test_hundreds_of_cancels_and_deletes_at_once_lose_nothing_and_make_nothing_twice(
    store: Store, queue: Queue, tmp_path: Path
) -> None:
    runs = [queue.submit(make_spec(seed, epochs=5)) for seed in range(30)]
    worker.start_detached(store, worker_command)
    command = [*worker_command(store)[:3], "disturb", str(store.root)]
    crowd = [
        subprocess.Popen([*command, str(seed), "60"], cwd=ROOT, stdout=-1, stderr=-1, text=True) for seed in range(4)
    ]
    answers = [process.communicate(timeout=120) for process in crowd]
    assert [process.returncode for process in crowd] == [0] * 4 and [err for _, err in answers] == [""] * 4, answers
    words = [line.split() for out, _ in answers for line in out.splitlines()]
    deleted = [run_id for word, run_id in words if word == "deleted"]
    assert len(deleted) == len(set(deleted)) > 0 and sum(word == "cancelled" for word, _ in words) > 0
    worker.start_detached(store, worker_command)
    wait_for(lambda: worker.worker_of(store) is None and not queue.has_work())
    assert {run.id for run in runs} - set(deleted) == {row["run_id"] for row in store.runs()}
    assert sorted(path.name for path in store.folder.iterdir()) == sorted(row["run_id"] for row in store.runs())
    for run in runs:
        if run.id not in deleted:
            assert run.status().state in ENDED
            assert run.points() == undisturbed(tmp_path, run)[: len(run.points())]
            assert len(run.points()) == 1 or run.status().state == "cancelled"
    log = store.root / "worker.log"
    assert not log.exists() or "Traceback" not in log.read_text()


# -- a results folder that vanishes


def test_a_results_folder_that_is_renamed_is_said_and_goes_on_where_it_is(
    store: Store, queue: Queue, tmp_path: Path
) -> None:
    run = queue.submit(make_spec(epochs=EPOCHS))
    renamed = tmp_path / "renamed"
    children: list[Process] = []

    def rename() -> None:
        children.append(working_child(run))
        store.root.rename(renamed)

    with Meanwhile(rename), pytest.raises(WorkError, match="was renamed or deleted"):
        worker.work(store, command=child_command("steady"))
    wait_for(lambda: not children[0].alive())
    assert not store.root.exists()
    there = Store(renamed, gallery=tmp_path / "none")
    moved = there.run(run.id)
    assert isinstance(moved, Run) and moved.observed_status().state == "interrupted"
    Queue(there).resume(run.id)
    worker.work(there, drain=True, command=child_command("steady"))
    assert moved.status().state == "done" and moved.points() == undisturbed(tmp_path, moved)


def test_a_results_folder_that_is_deleted_is_not_made_anew(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec(epochs=5000))
    worker.start_detached(store, worker_command)
    child = working_child(run)
    process = wait_for(lambda: worker.worker_of(store))
    while store.root.exists():
        shutil.rmtree(store.root, ignore_errors=True)
    wait_for(lambda: not child.alive() and not process.alive())
    assert not store.root.exists()
    assert child_of(store) is None
