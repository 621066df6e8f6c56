"""Sweeps: nothing is done twice, nothing is lost, and the whole can be stopped and gone on with."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.errors import RequestError, WorkError
from engine.jobs import child, worker
from engine.jobs.executors.executor import Workload
from engine.jobs.executors.slots import Gpu, parse_gpus, share_out, visible
from engine.jobs.queue import Queue
from engine.jobs.sweep import inventory, place
from engine.jobs.sweep.driver import Ended, Tally
from engine.jobs.sweep.forecast import room_check
from engine.pipeline.duration.estimate import Job
from engine.spec.run import RunSpec
from engine.storage import leftovers
from engine.storage.folders.run import Run
from engine.storage.records.event import CrashEvent, Epoch
from engine.storage.store import Store
from tests.support import standin, sweeps
from tests.support.hostile import FILLER, PAGE, fill, small_disk
from tests.support.places import ROOT
from tests.support.screen import small_summary
from tests.support.standin import make_spec
from tests.support.storm import own, started, wait_for
from tests.support.sweeps import InlineExecutor, drive


def grid(count: int = 3, epochs: int = 5) -> list[RunSpec]:
    return [make_spec(seed, epochs) for seed in range(count)]


def states(store: Store) -> list[str]:
    return sorted(run["state"] for run in own(store))


def test_what_is_done_is_not_done_again_and_runs_are_one_experiment_with_their_threads(store: Store) -> None:
    told: list[tuple[Ended, Tally]] = []
    driver = drive(store, grid(), InlineExecutor(), tell=lambda ended, tally: told.append((ended, tally)))
    assert driver.tally() == Tally(3, 3, 0, 0, 0, 0.0) and len(driver.run_ids) == 3
    assert [tally.done for _, tally in told] == [1, 2, 3] and {ended.state for ended, _ in told} == {"done"}
    assert {run["experiment"] for run in own(store)} == {sweeps.NAME}
    assert {store.run(run_id).status().threads for run_id in driver.run_ids} == {1}
    again = InlineExecutor()
    assert drive(store, grid(4), again).tally().done == 4
    assert len(again.begun) == 1 and len(own(store)) == 4
    elsewhere = store.create(make_spec(9), experiment="another name")
    assert inventory.entries(store, sweeps.NAME, [elsewhere.spec()])[0].standing == "new"


def test_failed_runs_are_told_and_done_again_only_when_that_is_asked_for(store: Store) -> None:
    first = drive(store, grid(), InlineExecutor(pipelines=[standin.failing]))
    assert first.tally().failed == 1 and "not finite" in str(first.failures[0].error)
    left = InlineExecutor()
    assert drive(store, grid(), left).tally() == Tally(3, 2, 1, 0, 0, None) and not left.begun
    again = InlineExecutor()
    assert drive(store, grid(), again, retry_failed=True).tally().done == 3
    assert again.begun == [first.failures[0].run_id] and states(store) == ["done"] * 3


def test_cancelled_interrupted_and_queued_runs_of_the_sweep_go_on_before_others_begin(store: Store) -> None:
    cancelled, stopped, waiting, *_ = grid(4)
    queue = Queue(store)
    queue.cancel(queue.submit(cancelled, sweeps.NAME).id)
    run = store.create(stopped, foreground=True, experiment=sweeps.NAME)
    run.end("interrupted", "stopped")
    run.lock.release()
    waits = queue.submit(waiting, sweeps.NAME)
    executor = InlineExecutor()
    assert drive(store, grid(4), executor).tally().done == 4
    assert waits.id in executor.begun[:3] and run.id in executor.begun[:3] and len(own(store)) == 4
    assert not Queue(store).has_work()


def test_a_run_whose_process_is_lost_again_and_again_has_failed_and_the_others_go_on(store: Store) -> None:
    def lose(spec: RunSpec, run: Run) -> None:
        raise KeyboardInterrupt  # as when somebody ends its process, without having asked the sweep to stop

    driver = drive(store, grid(2), InlineExecutor(pipelines=[lose] * 3))
    assert (driver.tally().done, driver.tally().failed) == (1, 1)
    assert "its process was lost 3 times" in str(driver.failures[0].error)
    assert len(store.run(driver.failures[0].run_id).events(CrashEvent)) == 3


def test_a_worker_that_looks_while_a_child_starts_costs_a_run_nothing(store: Store) -> None:
    executor = InlineExecutor(meanwhile=Queue(store).reconcile)
    assert drive(store, grid(2), executor).tally() == Tally(2, 2, 0, 0, 0, 0.0)
    assert len(executor.begun) == 2 and not any(store.run(run_id).events(CrashEvent) for run_id in executor.begun)


def test_a_run_that_is_deleted_while_it_waits_begins_anew_and_stops_no_other(store: Store) -> None:
    queue = Queue(store)
    waits = queue.submit(grid()[1], sweeps.NAME)
    queue.cancel(waits.id)
    driver = sweeps.driver_of(store, grid())
    store.delete(waits.id)
    InlineExecutor().execute(driver)
    assert driver.problem is None and driver.tally().done == 3 and states(store) == ["done"] * 3


def test_a_full_disk_stops_the_sweep_in_one_sentence_and_it_goes_on_later(store: Store) -> None:
    checks: list[str] = []

    def check_room(entry: inventory.Entry) -> None:
        checks.append(entry.spec.digest())
        if len(checks) == 2:
            raise WorkError("the disk is full")

    driver = drive(store, grid(), InlineExecutor(), check_room=check_room)
    assert str(driver.problem) == "the disk is full" and driver.tally().done == 1 and len(own(store)) == 1
    assert drive(store, grid(), InlineExecutor()).tally().done == 3


@dataclass
class FullDiskExecutor(InlineExecutor):
    """Its runs fill the disk up but for some pages; a process that cannot write how it ended has ended, too."""

    disk: Path = Path()
    pages: int = 0

    def execute(self, workload: Workload) -> None:
        while workload.goes_on() and (run := workload.next()) is not None:
            run.lock.release()
            if not (self.disk / FILLER).exists():
                fill(self.disk, leave=self.pages * PAGE)
            with suppress(WorkError):
                child.execute(run, self.usual)
            workload.ended(run)


def test_wherever_a_real_disk_fills_up_the_sweep_says_so_in_one_sentence_and_does_the_rest_later(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 1500 * PAGE) as disk:
        store = Store(disk / "results", gallery=disk / "none")
        check_room = room_check(disk, {"any": Job(make_spec(), small_summary(), (), trains=True)})
        for pages in range(0, 24, 4):
            specs = [make_spec(seed, 10) for seed in range(pages, pages + 2)]
            driver = drive(store, specs, FullDiskExecutor(disk=disk, pages=pages), check_room=check_room)
            (disk / FILLER).unlink()
            said = [str(driver.problem), *(str(failure.error) for failure in driver.failures)]
            assert all(x.startswith(("the disk is full", "the disk of")) and "\n" not in x for x in said), said
            assert drive(store, specs, InlineExecutor(), retry_failed=True).tally().done == 2
        driver = sweeps.driver_of(store, grid())
        fill(disk)
        InlineExecutor().execute(driver)
        problem = str(driver.problem)
        assert problem.startswith("the disk is full") and ".new-" not in problem, "the driver itself cannot write"
        (disk / FILLER).unlink()
        assert drive(store, grid(), InlineExecutor()).problem is None and set(states(store)) == {"done"}
        assert not leftovers.find([store.folder], older_than=-1) and not list(disk.rglob(".~*"))


def test_room_on_the_disk_is_asked_for_before_each_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, summary = make_spec(), small_summary()
    check_room = room_check(store.root, {spec.digest(): Job(spec, summary, (), trains=True)})
    store.prepare()
    check_room(inventory.Entry(spec))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=1, used=1, free=1000))
    with pytest.raises(WorkError, match=r"has 1\.00 kB free and the next run may take .* give the same command again"):
        check_room(inventory.Entry(spec))


def test_a_sweep_that_was_killed_watches_what_it_left_behind_and_does_nothing_twice(store: Store) -> None:
    command = [sys.executable, "-m", "tests.support.sweeps", str(store.root), "3", "40"]
    driver = started(command)
    wait_for(lambda: len([run for run in own(store) if run["state"] == "running"]) == 2)
    with pytest.raises(RequestError, match=r"another process .* works on the sweep"), place.driving(store, sweeps.NAME):
        pass
    driver.kill()
    driver.wait()
    assert len(own(store)) == 2 and not worker.has_worker(store) and not Queue(store).has_work()
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    runs = [store.run(run["run_id"]) for run in own(store)]
    assert states(store) == ["done"] * 3
    assert [len(run.events(Epoch)) for run in runs] == [40] * 3, "an epoch was done twice"
    expected = store.create(runs[0].spec(), foreground=True)
    expected.lock.release()
    child.execute(expected, standin.quick)
    assert [p.without_clock() for p in runs[0].points()] == [p.without_clock() for p in expected.points()]


def test_stopping_the_whole_interrupts_what_is_under_way_and_cancelling_ends_it(store: Store) -> None:
    driver = started([sys.executable, "-m", "tests.support.sweeps", str(store.root), "9", "5000"])
    wait_for(lambda: len([run for run in own(store) if run["state"] == "running"]) == 2)
    assert place.stop(store, sweeps.NAME) and driver.wait() == 0
    assert states(store) == ["interrupted"] * 2 and not place.stop(store, sweeps.NAME)
    listed = inventory.entries(store, sweeps.NAME, grid(9, 5000))
    assert place.cancel(store, listed) == 2 and states(store) == ["cancelled"] * 2
    assert not place.lock_of(store, sweeps.NAME).is_taken()


def test_as_many_runs_at_once_as_cores_memory_and_gpus_allow() -> None:
    gib = 1 << 30
    assert len(share_out(1, 0, 8, 100 * gib, (), None)) == 8 and len(share_out(3, 0, 8, 100 * gib, (), None)) == 2
    assert len(share_out(1, 0, 8, 6 * gib, (), None)) == 3 and len(share_out(1, 0, 8, 0, (), None)) == 1
    assert len(share_out(1, 0, 2, 100 * gib, (), 5)) == 5
    two = parse_gpus("0, 10240\n1, 4096\n")
    slots = share_out(1, 3 * gib, 8, 100 * gib, two, None)
    assert [slot.gpu for slot in slots] == ["0", "1", "0", "0"]
    assert visible(two, None) == two and visible(two, "1") == two[1:] and visible(two, "") == ()
    assert visible(two, "GPU-8932f937") == (Gpu("", None),)
    assert parse_gpus("0, [N/A]") == (Gpu("0", None),) and parse_gpus("broken") == (Gpu("", None),)
    assert [slot.gpu for slot in share_out(1, gib, 8, 100 * gib, (Gpu("", None),), None)] == [""]
    with pytest.raises(RequestError, match="threads is 9, and this computer has 8 cores"):
        share_out(9, 0, 8, gib, (), None)


def test_a_child_computes_with_the_threads_that_its_run_asks_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads()
    for library in ("OMP", "MKL", "OPENBLAS"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "7")
    run = store.create(make_spec(), threads=1)
    try:
        child.set_threads(run)
        assert torch.get_num_threads() == 1 and os.environ["OMP_NUM_THREADS"] == "1"
        child.set_threads(store.create(make_spec(1)))
        assert torch.get_num_threads() == 1, "nothing was asked for"
    finally:
        torch.set_num_threads(before)
