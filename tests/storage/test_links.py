"""Links in a job folder lead nowhere: what is behind them is neither read nor written, and looking changes nothing."""

import os
import shutil
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import runs
from tests.support.hostile import snapshot
from tests.support.standin import child_command, make_spec, steady

IN_RUN = ["events.jsonl", ".lock", "log.txt", "points.jsonl", "checkpoint", "models", ".cancel", "status.json"]
IN_RUN += ["annotation.json"]
IN_ROOT = ["worker.log", "index.sqlite", "index.sqlite-wal", ".worker.lock"]
TIMES = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def victims(tmp_path: Path) -> Path:
    """A folder with a file and a folder that are no business of any run."""
    folder = tmp_path / "victims"
    (folder / "folder").mkdir(parents=True)
    (folder / "folder" / ".~half").write_text("{}")
    (folder / "file").write_text('{"kind": "point"}\ntorn')
    for path in (folder / "folder" / ".~half", folder / "folder", folder / "file"):
        os.utime(path, TIMES)
    return folder


def put_link(path: Path, victims: Path) -> None:
    """A link in the place of what is at a path."""
    target = victims / ("folder" if path.name in ("checkpoint", "models") else "file")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(target)


def half_done(store: Store) -> Run:
    """A run of the queue that was lost on its way."""
    run = Queue(store).submit(make_spec(epochs=10))
    run.append_point(runs.point(0, "baseline", 1.0, 0.9))
    run.model_file(0, "plan.json").write_text("{}")
    run.checkpoint_file(0).write_text("")
    run.append_event(runs.epoch(1, 10))
    run.log("epoch 1/10")
    run.update(state="running")
    return run


def act(store: Store, run: Run, *, work: bool) -> None:
    """Everything that a user and a worker may do; each may refuse, by a sentence."""
    where = ["--results", str(store.root)]
    for command in (["runs"], ["show", run.id], ["cancel", run.id], ["resume", run.id]):
        assert main([*command, *where]) in (0, 1, 2)
    if work:
        worker.work(store, drain=True, command=child_command("steady"))
    assert main(["reindex", *where]) in (0, 1, 2)
    assert main(["delete", run.id, *where]) in (0, 1, 2)


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would start a detached worker does not: the tests work in their own process."""
    monkeypatch.setattr(worker, "start_detached", lambda store: False)


@pytest.mark.parametrize("name", IN_RUN)
def test_what_is_behind_a_link_in_a_run_folder_stays_as_it_is(
    store: Store, victims: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = half_done(store), Queue(store).submit(make_spec(seed=1, epochs=5))
    put_link(run.path / name, victims)
    before = snapshot(victims)
    act(store, run, work=name in ("events.jsonl", "log.txt", "checkpoint", "models"))
    assert snapshot(victims) == before
    output = capsys.readouterr()
    assert "should not have happened" not in output.err and "Traceback" not in output.err
    assert other.status().state in ("queued", "done") and not os.path.lexists(run.path), "it can be deleted"


def test_a_pipeline_does_not_write_through_links_either(store: Store, victims: Path) -> None:
    for name in ("points.jsonl", "events.jsonl", "checkpoint"):
        run = Queue(store).submit(make_spec(epochs=10))
        put_link(run.path / name, victims)
        before = snapshot(victims)
        with pytest.raises(Exception, match=r"link|folder"):
            steady(run.spec(), run, pause=0.0)
        assert snapshot(victims) == before


@pytest.mark.parametrize("name", IN_ROOT)
def test_what_is_behind_a_link_in_the_results_folder_stays_as_it_is(
    store: Store, victims: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = half_done(store)
    put_link(store.root / name, victims)
    before = snapshot(victims)
    act(store, run, work=False)
    if name == "worker.log":
        assert worker.main([str(store.root)], child_command("steady")) == 1
    assert snapshot(victims) == before
    errors = capsys.readouterr().err
    assert "should not have happened" not in errors
    assert name != "worker.log" or "it is a link, and links are not followed" in errors


def test_looking_changes_nothing_in_a_job_folder(store: Store) -> None:
    lost, done = half_done(store), runs.finished(store, make_spec(seed=1))
    damaged = runs.finished(store, make_spec(seed=2))
    (damaged.path / "status.json").write_text("")
    torn = half_done(Store(store.root, gallery=store.gallery))
    with (torn.path / "events.jsonl").open("a") as file:
        file.write('{"kind": "ep')
    before = snapshot(store.folder)
    where = ["--results", str(store.root)]
    for command in (["runs"], *(["show", run.id] for run in (lost, done, damaged, torn))):
        assert main([*command, *where]) in (0, 1)
    store.runs(), store.points(), store.token(), Queue(store).counts(), Queue(store).has_work()
    lost.observed_status(), lost.lock.is_taken(), lost.lock.owner(), lost.log_tail(), torn.event_lines()
    worker.replace_lost(store)
    assert snapshot(store.folder) == before
