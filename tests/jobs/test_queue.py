"""What waits, and how a run gets from one state to another."""

import shutil
import subprocess
from pathlib import Path

import pytest

from engine.errors import RequestError, WorkError
from engine.jobs.queue import MAX_CRASHES, LaneJob, Queue
from engine.jobs.worker import PROJECT
from engine.storage.atomic import append_line
from engine.storage.folders.run import Run
from engine.storage.indexing.index import Index
from engine.storage.indexing.rows import CPU_LANE
from engine.storage.store import Store
from tests.support import runs
from tests.support.standin import make_spec, worker_command


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(Store(tmp_path / "results", gallery=tmp_path / "gallery"))


def state(run: Run) -> str:
    return str(run.status().state)


def orphaned(queue: Queue, seed: int = 0) -> Run:
    """A run whose process died."""
    run = queue.submit(make_spec(seed))
    run.update(state="running")
    return run


def test_two_hundred_submissions_from_eight_processes_are_all_there_and_none_twice(queue: Queue) -> None:
    root = queue.store.root
    command = [*worker_command(queue.store)[:3], "submit", str(root), "25"]
    processes = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    ids = [line for process in processes for line in process.communicate(timeout=240)[0].split()]
    assert [process.returncode for process in processes] == [0] * 8
    assert len(ids) == len(set(ids)) == 200
    assert sorted(queue.queued_ids()) == sorted(ids) == sorted(path.name for path in queue.store.folder.iterdir())
    seeds = [queue.store.run(run_id).spec().seed for run_id in ids]
    assert sorted(seeds) == sorted(list(range(25)) * 8)


def test_runs_wait_in_the_order_in_which_they_came(queue: Queue) -> None:
    ids = [queue.submit(make_spec(seed)).id for seed in (5, 3, 4)]
    assert queue.queued_ids() == ids
    first = queue.next()
    assert first is not None and first.job.id == ids[0]


def test_a_lost_index_loses_no_place_in_the_queue(queue: Queue) -> None:
    ids = [queue.submit(make_spec(seed)).id for seed in range(4)]
    queue.cancel(ids[1])
    queue.store.index.path.unlink()
    assert queue.queued_ids() == [ids[0], ids[2], ids[3]] and queue.counts()["cancelled"] == 1


def test_a_folder_without_a_row_is_in_the_queue(queue: Queue) -> None:
    queue.submit(make_spec(0))
    run = queue.store.create(make_spec(1))
    assert run.id in queue.queued_ids()


def test_a_submission_that_cannot_be_noted_leaves_nothing(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise WorkError("the disk is full")

    monkeypatch.setattr(Index, "put", full)
    with pytest.raises(WorkError, match="the disk is full"):
        queue.submit(make_spec())
    assert list(queue.store.folder.iterdir()) == []


def test_counts_name_every_state(queue: Queue) -> None:
    assert set(queue.counts().values()) == {0}
    queue.submit(make_spec(0))
    queue.cancel(queue.submit(make_spec(1)).id)
    counts = queue.counts()
    assert (counts["queued"], counts["cancelled"], counts["running"], sum(counts.values())) == (1, 1, 0, 2)


def test_a_queued_run_is_cancelled_at_once_and_can_be_resumed_at_the_end_of_the_queue(queue: Queue) -> None:
    first, second = queue.submit(make_spec(0)), queue.submit(make_spec(1))
    queue.cancel(first.id)
    assert state(first) == "cancelled" and queue.queued_ids() == [second.id]
    queue.resume(first.id)
    assert queue.queued_ids() == [second.id, first.id]


@pytest.mark.parametrize("ended", ["done", "failed", "cancelled"])
def test_what_has_ended_is_not_cancelled(queue: Queue, ended: str) -> None:
    run = queue.submit(make_spec())
    run.end(ended, "as it was")
    with pytest.raises(RequestError, match=f"is {ended} already"):
        queue.cancel(run.id)
    assert run.status().message == "as it was" and not run.cancel_mark.exists()


@pytest.mark.parametrize("other", ["queued", "running", "done"])
def test_only_what_stopped_early_is_resumed(queue: Queue, other: str) -> None:
    run = queue.submit(make_spec())
    run.update(state=other)
    with (
        run.lock.holding(),
        pytest.raises(RequestError, match=f"is {other}; only an interrupted, failed or cancelled run"),
    ):
        queue.resume(run.id)


def test_resuming_forgets_the_old_error_and_crashes(queue: Queue) -> None:
    run = queue.submit(make_spec())
    run.update(crashes=2)
    run.end("failed", "no luck")
    assert run.status().error == "no luck"
    queue.resume(run.id)
    status = run.status()
    assert (status.state, status.error, status.crashes, status.times.finished) == (
        "queued",
        None,
        0,
        None,
    )


def test_gallery_runs_are_neither_cancelled_nor_resumed(tmp_path: Path, queue: Queue) -> None:
    run = queue.submit(make_spec())
    shutil.move(run.path, tmp_path / "gallery" / run.id)
    for act, verb in ((queue.cancel, "cancelled"), (queue.resume, "resumed")):
        with pytest.raises(RequestError, match=f"is a gallery run, shipped with the project; it cannot be {verb}"):
            act(run.id)
    assert queue.queued_ids() == [] and queue.counts()["queued"] == 0
    assert not (tmp_path / "gallery" / run.id / ".lock").exists()


def test_a_run_whose_process_is_gone_waits_again_and_says_why(queue: Queue) -> None:
    run = orphaned(queue)
    queue.reconcile()
    assert state(run) == "queued" and "was lost" in run.status().message
    assert run.event_lines()[-1]["kind"] == "interrupted" and queue.queued_ids() == [run.id]


def test_a_run_that_is_lost_again_and_again_without_a_step_fails(queue: Queue) -> None:
    run = orphaned(queue)
    for _ in range(MAX_CRASHES):
        assert state(run) != "failed"
        run.update(state="running")
        queue.reconcile()
    assert state(run) == "failed" and "lost 3 times without a step in between" in run.status().error


def test_a_run_that_gets_on_between_its_losses_is_never_given_up(queue: Queue) -> None:
    run = orphaned(queue)
    for epoch in range(2 * MAX_CRASHES):
        run.append_event(runs.epoch(epoch + 1, 9))
        run.update(state="running")
        queue.reconcile()
    assert state(run) == "queued"


def test_the_same_epoch_again_is_no_step(queue: Queue) -> None:
    run = orphaned(queue)
    for _ in range(MAX_CRASHES + 1):
        run.append_event(runs.epoch(1, 9))
        run.update(state="running")
        queue.reconcile()
    assert state(run) == "failed"


def test_a_lost_run_whose_results_are_damaged_fails_and_holds_up_no_other(queue: Queue) -> None:
    run, other = orphaned(queue), queue.submit(make_spec(1))
    (run.path / "events.jsonl").write_text("x\n")
    queue.reconcile()
    assert state(run) == "failed" and "events.jsonl is damaged" in run.status().error
    assert queue.queued_ids() == [other.id]


def test_an_interrupted_run_of_the_queue_waits_again(queue: Queue) -> None:
    run = queue.submit(make_spec())
    run.end("interrupted", "the machine was shut down")
    queue.reconcile()
    assert state(run) == "queued" and run.status().crashes == 0


def test_a_run_that_somebody_holds_is_left_alone_and_not_started_again(queue: Queue) -> None:
    run = orphaned(queue)
    assert run.lock.acquire()
    queue.reconcile()
    assert state(run) == "running" and queue.next() is None
    living = queue.find_orphan()
    assert living is not None and living.job.id == run.id


def test_cancelling_a_run_that_is_worked_on_leaves_a_mark_that_outlives_everybody(queue: Queue) -> None:
    run = orphaned(queue)
    run.lock.acquire()
    queue.cancel(run.id)
    assert state(run) == "running" and run.cancel_mark.exists()
    run.lock.release()
    queue.store.index.path.unlink()
    queue.reconcile()
    assert state(run) == "cancelled" and not run.cancel_mark.exists()


def test_a_queued_run_with_a_mark_is_cancelled_instead_of_started(queue: Queue) -> None:
    run = queue.submit(make_spec())
    run.cancel_mark.touch()
    assert queue.next() is None and state(run) == "cancelled"


def test_a_mark_that_is_a_folder_or_a_link_is_no_obstacle(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    marks = (lambda mark: (mark / "x").mkdir(parents=True), lambda mark: mark.symlink_to(tmp_path / "victim"))
    for seed, make in enumerate(marks):
        run = queue.submit(make_spec(seed))
        make(run.cancel_mark)
        queue.cancel(run.id)
        assert state(run) == "cancelled" and not run.is_cancel_requested()
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_foreground_run_is_not_the_queues_to_start(queue: Queue) -> None:
    run = queue.store.create(make_spec(), foreground=True)
    assert queue.queued_ids() == [] and queue.find_orphan() is None
    queue.reconcile()
    assert state(run) == "queued"
    run.lock.release()  # as when its process is killed
    queue.reconcile()
    assert state(run) == "interrupted" and queue.queued_ids() == []
    queue.reconcile()
    assert state(run) == "interrupted"
    queue.resume(run.id)
    assert queue.queued_ids() == [run.id]


def test_a_run_deleted_while_the_worker_looks_at_it_is_no_error(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    run = orphaned(queue)
    monkeypatch.setattr(Queue, "_lane_jobs", lambda *_: [LaneJob(run, CPU_LANE)])
    queue.store.delete(run.id)
    queue.reconcile()
    append_line(queue.store.root / "still.jsonl", {})
    assert queue.next() is None or not run.path.exists()
