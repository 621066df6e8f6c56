"""How a run ends, in its own process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import RequestError, WorkError
from engine.jobs import child
from engine.jobs.queue import Queue
from engine.jobs.worker import PROJECT
from engine.spec.run import RunSpec
from engine.storage.atomic import write_json
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support.standin import broken, child_command, failing, make_spec, steady
from tests.support.storm import started, wait_for


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", gallery=tmp_path / "gallery")


@pytest.fixture
def run(store: Store) -> Run:
    return Queue(store).submit(make_spec(epochs=10))


def quick(spec: RunSpec, run: Run) -> None:
    steady(spec, run, pause=0.0)


def test_a_finished_run_is_done_and_its_lock_is_free(run: Run) -> None:
    assert child.execute(run, quick) == "done"
    status = run.status()
    assert (status.state, status.progress, status.error) == ("done", 1.0, None)
    assert status.times.started <= status.times.finished
    assert len(run.points()) == 2 and not run.lock.is_taken()
    assert run.log_tail()[0].endswith("works on this run") and run.log_tail()[-1].endswith("  done")


def test_a_failure_is_its_sentence(run: Run) -> None:
    assert child.execute(run, failing) == "failed"
    assert run.status().error == "the loss was not finite after epoch 3; a smaller learning rate helps"
    begun, failed = run.log_tail()
    assert begun.endswith(f"  process {os.getpid()} works on this run") and failed.endswith(
        "  failed: the loss was not finite after epoch 3; a smaller learning rate helps"
    )


def test_a_surprise_is_a_sentence_and_its_traceback_is_in_the_log(run: Run) -> None:
    assert child.execute(run, broken) == "failed"
    assert run.status().error == "the run stopped on an unexpected ValueError; log.txt has the details"
    assert "ValueError: a surprise" in run.log_tail()


@pytest.mark.parametrize(("error", "words"), [(MemoryError(), "out of memory"), (OSError(28, "full"), "disk is full")])
def test_what_the_machine_lacks_is_said(run: Run, error: Exception, words: str) -> None:
    def lacking(spec: RunSpec, run: Run) -> None:
        raise error

    child.execute(run, lacking)
    assert words in run.status().error


def test_a_run_of_another_version_fails_with_the_reason(run: Run) -> None:
    write_json(run.path / "spec.json", {"schema_version": 99})
    assert child.execute(run, quick) == "failed"
    assert "schema_version 99" in run.status().error


@pytest.mark.parametrize(("marked", "state"), [(True, "cancelled"), (False, "interrupted")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_can_be_resumed_to_the_same_points(
    run: Run, store: Store, number: int, marked: bool, state: str
) -> None:
    def stopped(spec: RunSpec, run: Run) -> None:
        quick(make_spec(epochs=7, seed=spec.seed), run)  # as far as epoch 7 of 10
        if marked:
            run.cancel_mark.touch()
        os.kill(os.getpid(), number)

    assert child.execute(run, stopped) == state == run.status().state
    assert len(run.points()) == 1 and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    Queue(store).resume(run.id)
    assert child.execute(run, quick) == "done" and len(run.points()) == 2


def test_whatever_a_stopped_pipeline_raises_it_was_stopped(run: Run) -> None:
    def stopped(spec: RunSpec, run: Run) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            os.kill(os.getpid(), signal.SIGTERM)  # a second one disturbs nothing
            raise WorkError("a loader was killed") from None

    assert child.execute(run, stopped) == "interrupted"


def test_a_run_has_one_process(run: Run, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LOCK_WAIT", 0.05)
    first = started(child_command("stubborn")(store, run))
    try:
        wait_for(lambda: run.status().state == "running")
        before = run.status()
        with pytest.raises(RequestError, match="another process works on"):
            child.execute(run, quick)
        assert run.status() == before
    finally:
        for event in run.event_lines():
            os.kill(int(event["text"]), signal.SIGKILL)
        first.kill()
        first.wait()


@pytest.mark.parametrize("state", ["done", "cancelled", "interrupted", "running"])
def test_a_run_that_is_not_queued_is_left_as_it_is(run: Run, state: str) -> None:
    run.update(state=state)
    before = run.status()
    assert child.execute(run, quick) == state and run.status() == before and run.points() == []


def test_a_run_that_is_to_be_cancelled_is_not_started(run: Run) -> None:
    run.cancel_mark.touch()
    assert child.execute(run, quick) == "cancelled" and run.points() == []


def test_what_a_killed_process_was_writing_is_removed(run: Run) -> None:
    run.model_file(0, "onnx")
    for part in (run.path / ".~1~status.json", run.path / "models" / ".~1~p0.onnx"):
        part.write_text("half")
    child.execute(run, quick)
    assert not list(run.path.rglob(".~*"))


def test_a_foreground_run_is_its_own_process_from_the_start(store: Store) -> None:
    run = store.create(make_spec(epochs=5), foreground=True)
    assert run.lock.is_taken() and store.runs()[0]["state"] == "queued"
    assert child.execute(run, quick) == "done" and not run.lock.is_taken()


@pytest.mark.parametrize("arguments", [["x"], ["{root}", "nonsense"], ["{root}", "20260101-000000-01234567"]])
def test_the_child_refuses_politely(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "engine.jobs.child", *(a.format(root=tmp_path) for a in arguments)]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.returncode == 2 and answer.stdout == "" and len(answer.stderr.splitlines()) == 1


def test_what_a_library_makes_of_being_stopped_is_no_traceback(store: Store) -> None:
    def importing(spec: RunSpec, run: Run) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    run = store.create(make_spec(), foreground=True)
    assert child.execute(run, importing) == "interrupted"
    assert len(run.log_tail()) == 2 and "Traceback" not in "".join(run.log_tail())
