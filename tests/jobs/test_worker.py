"""The worker and its children, as real processes."""

import json
import os
import signal
import subprocess
import threading
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from engine.errors import RequestError, WorkError
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.storage.folders.run import Run
from engine.storage.indexing.head import Head
from engine.storage.indexing.index import Index
from engine.storage.locks import Lock, Process
from engine.storage.store import Store
from tests.support import standin
from tests.support.places import ROOT
from tests.support.standin import child_command, make_spec, worker_command
from tests.support.storm import child_of, own, started, wait_for


def running_child(store: Store) -> tuple[Run, Process]:
    matches: list[tuple[Run, Process]] = []

    def look() -> bool:
        child = child_of(store)
        if child and child[0].status().state == "running" and child[0].event_lines():
            matches.append(child)
        return bool(matches)

    wait_for(look)
    return matches[0]


def start(store: Store, kind: str = "steady") -> Process:
    assert worker.start_detached(store, lambda s: worker_command(s, kind))
    wait_for(lambda: worker.worker_of(store) is not None)
    owner = worker.worker_of(store)
    assert owner is not None
    return owner


def is_dead(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_queue_is_worked_in_order_and_then_the_worker_ends(store: Store, queue: Queue) -> None:
    runs = [queue.submit(make_spec(seed, epochs=5)) for seed in range(3)]
    worker.work(store, drain=True, command=child_command("steady"))
    ends = [run.status().times for run in runs]
    assert queue.counts()["done"] == 3
    assert all(before.finished <= after.started for before, after in pairwise(ends))
    assert worker.worker_of(store) is None


def test_children_that_are_lost_before_a_step_are_given_up_after_three(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec())
    worker.work(store, drain=True, command=child_command("lost"))
    assert run.status().state == "failed" and "lost 3 times" in run.status().error


def test_children_that_never_get_to_run_are_given_up_too(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec())
    worker.work(store, drain=True, command=lambda store, run: ["sh", "-c", "echo no python here >&2; exit 127"])
    assert run.status().state == "failed"
    lines = run.log_tail()
    assert lines[::2] == ["no python here"] * 3 and all("its process was lost" in line for line in lines[1::2])


def test_a_detached_worker_lives_in_a_session_of_its_own_and_there_is_one(store: Store, queue: Queue) -> None:
    queue.submit(make_spec(epochs=5000))
    process = start(store)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert not worker.start_detached(store, worker_command)
    with pytest.raises(RequestError, match=rf"another worker \(process {process.pid}\) works the queue"):
        worker.work(store, drain=True, command=child_command("steady"))
    run, child = running_child(store)
    assert os.getsid(child.pid) == child.pid
    queue.cancel(run.id)
    wait_for(lambda: worker.worker_of(store) is None)
    assert run.status().state == "cancelled"


def test_cancelling_stops_the_child_and_the_next_run_starts(store: Store, queue: Queue) -> None:
    first, second = queue.submit(make_spec(0, epochs=1000)), queue.submit(make_spec(1, epochs=5))
    start(store)
    run, child = running_child(store)
    assert run.id == first.id
    queue.cancel(first.id)
    wait_for(lambda: first.status().state == "cancelled")
    wait_for(lambda: second.status().state == "done")
    assert is_dead(child.pid) and not first.cancel_mark.exists()


def test_a_child_that_will_not_stop_is_killed_with_its_whole_group(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec())
    command = child_command("stubborn")

    def cancel() -> None:
        wait_for(run.event_lines)
        queue.cancel(run.id)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    worker.work(store, drain=True, command=command, grace=0.3)
    canceller.join()
    assert run.status().state == "cancelled"
    assert run.event_lines()[-1]["text"] == "ignored", "it was asked first"
    wait_for(lambda: is_dead(int(run.event_lines()[0]["text"])))


def test_an_orphan_is_watched_by_the_next_worker_and_not_started_twice(store: Store, queue: Queue) -> None:
    queue.submit(make_spec(epochs=150))
    first = start(store)
    run, _ = running_child(store)
    first.signal(signal.SIGKILL)
    wait_for(lambda: not first.alive())
    second = start(store)
    wait_for(lambda: run.status().state == "done")
    assert second != first and run.status().crashes == 0
    assert [event["epoch"] for event in run.event_lines()] == list(range(1, 151)), "by one child, in one go"


def test_an_orphan_is_cancelled_by_the_next_worker_even_when_it_will_not_stop(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec())
    first = start(store, "stubborn")
    _, child = running_child(store)
    first.signal(signal.SIGKILL)
    wait_for(lambda: not first.alive())
    queue.cancel(run.id)
    worker.work(store, drain=True, command=child_command("steady"), grace=0.3)
    assert run.status().state == "cancelled" and is_dead(child.pid)
    wait_for(lambda: is_dead(int(run.event_lines()[0]["text"])))


def test_whoever_looks_starts_a_worker_in_the_place_of_a_lost_one(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec(epochs=5000))
    process = start(store)
    _, child = running_child(store)
    process.signal(signal.SIGSTOP)
    child.signal(signal.SIGKILL)
    wait_for(lambda: is_dead(child.pid))
    worker.replace_lost(store)
    assert worker.worker_of(store) == process, "it lives"
    process.signal(signal.SIGKILL)
    wait_for(lambda: not process.alive())
    before = (run.path / "status.json").read_bytes()
    [row] = store.runs()
    assert row["state"] == "interrupted" and "its process was lost" in row["message"]
    assert queue.counts()["interrupted"] == 1 and (run.path / "status.json").read_bytes() == before, "only looked at"
    worker.replace_lost(store)
    wait_for(lambda: worker.worker_of(store) is not None)
    wait_for(lambda: run.status().crashes == 1)
    queue.cancel(run.id)
    wait_for(lambda: run.status().state == "cancelled")


def test_a_worker_that_is_told_to_stop_stops_its_child_which_goes_on_later(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec(epochs=150))
    process = start(store)
    _, child = running_child(store)
    process.signal(signal.SIGTERM)
    wait_for(lambda: not process.alive())
    assert run.status().state == "interrupted" and is_dead(child.pid)
    steps = run.steps()
    worker.work(store, drain=True, command=child_command("steady"))
    assert run.status().state == "done" and run.status().crashes == 0 and 0 < steps < run.steps()


def test_a_hung_worker_is_replaced(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec(epochs=5000))
    hung = start(store)
    hung.signal(signal.SIGSTOP)
    assert not worker.start_detached(store, worker_command)
    signature = json.loads((store.root / ".worker.lock").read_text())
    signature["beat"] -= 2 * worker.HUNG_SECONDS
    (store.root / ".worker.lock").write_text(json.dumps(signature))
    assert start(store) != hung and not hung.alive()
    running_child(store)
    queue.cancel(run.id)
    wait_for(lambda: run.status().state == "cancelled")


def test_a_stale_lock_blocks_nobody(store: Store, queue: Queue) -> None:
    run = queue.submit(make_spec(epochs=5))
    for path in (store.root / ".worker.lock", run.path / ".lock"):
        path.write_text('{"pid": 1, "birth": "0", "beat": 0.0}')
    worker.work(store, drain=True, command=child_command("steady"))
    assert run.status().state == "done"


def test_a_run_submitted_as_the_worker_leaves_is_still_worked(store: Store, queue: Queue) -> None:
    late: list[Run] = []
    release = Lock.release

    def submit_then_release(lock: Lock, **more: bool) -> None:
        if lock.path.name == ".worker.lock" and not late:
            late.append(queue.submit(make_spec(epochs=5)))
            assert not worker.start_detached(store, worker_command), "the worker is still seen"
        release(lock, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lock, "release", submit_then_release)
        worker.work(store, drain=True, command=child_command("steady"))
    assert late[0].status().state == "done"


def test_a_worker_that_cannot_read_the_queue_as_it_leaves_stays(
    store: Store, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = queue.submit(make_spec(epochs=5))
    heads, failures = Index.heads, ["locked", "locked"]

    def fail(index: Index) -> list[Head]:
        if failures and run.status().state == "done" and not Lock(store.root / ".worker.lock").is_taken():
            raise WorkError(f"the index is {failures.pop()}")
        return heads(index)

    monkeypatch.setattr(Index, "heads", fail)
    worker.work(store, drain=True, command=child_command("steady"))
    assert not failures and worker.worker_of(store) is None


def test_a_worker_survives_whoever_started_it(store: Store, queue: Queue, tmp_path: Path) -> None:
    python = worker_command(store)[:3]
    enough = tmp_path / "enough"
    rest = [str(store.root), str(tmp_path / "acknowledged"), str(enough), "steady"]
    dashboard = started([*python, "dashboard", *rest])
    try:
        _, child = running_child(store)
        owner = worker.worker_of(store)
    finally:
        dashboard.kill()
        dashboard.wait()
    assert owner is not None and owner.alive() and child.alive()
    wait_for(lambda: queue.counts()["done"] == len(own(store)))


@pytest.mark.parametrize("status", [1, 2])
def test_a_worker_that_cannot_start_is_a_sentence(store: Store, status: int) -> None:
    with pytest.raises(WorkError, match=r"the worker could not start: all is broken"):
        worker.start_detached(store, lambda s: ["sh", "-c", f"echo all is broken >&2; exit {status}"])


def test_two_dashboards_that_start_a_worker_at_once_get_one(store: Store, queue: Queue) -> None:
    queue.submit(make_spec(epochs=60))
    processes = [subprocess.Popen(worker_command(store), cwd=ROOT) for _ in range(4)]
    assert sorted(process.wait() for process in processes) == [0, *[worker.ALREADY] * 3]
    wait_for(lambda: queue.counts()["done"] == 1)


def test_a_worker_on_a_folder_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written to"):
        worker.work(Store(Path("/proc/espalier")), drain=True)


def test_production_commands_name_the_modules_that_are_run(store: Store) -> None:
    run = store.create(make_spec())
    assert worker.child_command(store, run)[1:] == ["-m", "engine.jobs.child", str(store.root), run.id]
    answer = subprocess.run(worker.worker_command(store)[:3], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2 and "usage: python -m engine.jobs.worker RESULTS" in answer.stderr
    assert standin.worker_command(store)[0] == worker.worker_command(store)[0]
