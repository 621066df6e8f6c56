"""Run folders are the truth; what the index says is always theirs."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RequestError, WorkError
from engine.spec import run as specs
from engine.storage import atomic, index_rows
from engine.storage import index as index_module
from engine.storage.job_folder import Run
from engine.storage.records.event import Note, PhaseEvent
from engine.storage.records.point import Point
from engine.storage.store import GALLERY, Store
from tests.support import runs
from tests.support.places import ROOT


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", gallery=tmp_path / "gallery")


def make(seed: int = 0, **changes: Any) -> specs.RunSpec:
    return specs.parse({"seed": seed, **changes})


def point(number: int, top1: float) -> Point:
    """The baseline, a point on the way, and from the second on those that end a target."""
    stage = "baseline" if number == 0 else "recovered"
    return runs.point(number, stage, 0.5, top1, phase="channels", final=number > 1, macs=100 - number)


def filled(store: Store, seed: int = 0, **changes: Any) -> Run:
    run = store.create(make(seed, **changes))
    for number, top1 in enumerate((0.9, 0.88, 0.85)):
        run.append_point(point(number, top1))
    return run


def test_nothing_is_written_before_the_first_run(tmp_path: Path, store: Store) -> None:
    assert store.token() and not store.root.exists()
    run = store.create(make())
    assert sorted(path.name for path in run.path.iterdir()) == ["spec.json", "status.json"]


def test_a_run_is_named_by_time_and_digest_and_holds_its_spec(store: Store) -> None:
    spec = make(seed=3, criterion="fpgm")
    run = store.create(spec)
    assert run.id.endswith(spec.digest()) and time.strptime(run.id[:15], "%Y%m%d-%H%M%S")
    assert store.run(run.id).spec() == spec
    status = run.status()
    assert (status.state, status.progress, status.group) == ("queued", 0.0, spec.group())
    assert set(status.to_json()["times"]) >= {"created", "started", "finished"}


def test_equal_requests_in_one_second_get_ids_of_their_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    first, second, third = (store.create(make()).id for _ in range(3))
    assert (second, third) == (f"{first}-2", f"{first}-3")


@pytest.mark.parametrize("run_id", ["", "x", "../../etc", "20260101-000000-0123456", "20260101-000000-01234567/.."])
def test_a_malformed_id_is_refused(store: Store, run_id: str) -> None:
    with pytest.raises(RequestError, match="is not a run id"):
        store.run(run_id)


def test_an_unknown_id_is_refused(store: Store) -> None:
    with pytest.raises(RequestError, match="there is no run 20260101-000000-01234567"):
        store.run("20260101-000000-01234567")


def test_runs_are_listed_newest_first_with_what_they_reached(store: Store) -> None:
    old, new = filled(store), store.create(make(1))
    first, second = store.runs()
    assert (first["run_id"], second["run_id"]) == (new.id, old.id)
    assert (second["points"], second["baseline_top1"], second["best_top1"]) == (3, 0.9, 0.85)
    assert (first["model"], first["criterion"], first["seed"], first["best_top1"]) == ("resnet20", "bn_scale", 1, None)
    assert first["group"] == second["group"] == make().group()


def test_points_come_with_the_settings_of_their_run(store: Store) -> None:
    filled(store, seed=4, criterion="l1", order="channels")
    rows = store.points()
    assert [row["top1"] for row in rows] == [0.9, 0.88, 0.85]
    assert {(row["criterion"], row["order"], row["seed"], row["data"]) for row in rows} == {
        ("l1", "channels", 4, "clutter")
    }
    assert rows[1]["macs"] == 99 and rows[0]["gallery"] is False


def test_every_change_is_in_the_next_answer_and_changes_the_token(store: Store) -> None:
    tokens = [store.token()]
    run = filled(store)
    tokens.append(store.token())
    assert store.runs()[0]["points"] == 3
    run.append_point(point(3, 0.95))
    tokens.append(store.token())
    assert (store.runs()[0]["best_top1"], len(store.points())) == (0.95, 4)
    run.append_measurement(runs.timing(3))
    tokens.append(store.token())
    run.update(state="running", progress=0.4, times={"started": 5.0})
    tokens.append(store.token())
    row = store.runs()[0]
    assert (row["state"], row["progress"], row["started"]) == ("interrupted", 0.4, 5.0), "nobody works on it"
    assert run.lock.acquire()
    tokens.append(store.token())
    assert store.runs()[0]["state"] == "running"
    run.lock.release()
    assert row["created"] == run.status().times.created
    store.delete(run.id)
    tokens.append(store.token())
    assert store.runs() == [] and store.points() == []
    assert len(set(tokens[:-1])) == 6 and tokens[-1] == tokens[0] == store.token(), "deleted: as it was before"


def test_only_folders_that_changed_are_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [filled(store, seed) for seed in range(5)]
    store.runs()
    read: list[str] = []
    row = index_module.index_row

    def noted(run_id: str, folder: index_module.FolderState) -> index_module.Row:
        read.append(run_id)
        return row(run_id, folder)

    monkeypatch.setattr(index_module, "index_row", noted)
    store.points()
    assert read == []
    runs[2].update(message="on its way")
    store.runs()
    assert read == [runs[2].id]


def test_many_runs_take_one_query_each_time(store: Store) -> None:
    run = filled(store)
    for n in range(499):
        copy = store.folder / f"20250101-000000-{n:08x}"
        shutil.copytree(run.path, copy)
    assert len(store.runs()) == 500 and len(store.points()) == 1500
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **more)
        connection.set_trace_callback(statements.append)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", traced)
        store.points()
    assert len([s for s in statements if s.startswith("SELECT")]) == 3, "the stamps, and the answer"


DAMAGE: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "noise": lambda path: path.write_bytes(os.urandom(5000)),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "another version": lambda path: sqlite3.connect(path, isolation_level=None).execute("PRAGMA user_version = 99"),
    "no table": lambda path: sqlite3.connect(path, isolation_level=None).execute("DROP TABLE points"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_an_index_that_is_lost_or_damaged_comes_back_from_the_folders(store: Store, kind: str) -> None:
    for seed in range(30):
        filled(store, seed)
    runs, points = store.runs(), store.points()
    DAMAGE[kind](store.index.path)
    assert store.points() == points and store.runs() == runs
    assert store.reindex() == 30 and store.runs() == runs


def test_an_index_of_rows_that_lack_a_setting_is_made_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store)
    rows = store.runs()
    monkeypatch.setattr(index_module, "VERSION", index_module.VERSION - 1)
    connection = sqlite3.connect(store.index.path, isolation_level=None)
    assert connection.execute("PRAGMA user_version").fetchone() == (index_module.VERSION + 1,)
    connection.execute("UPDATE texts SET summary = '{}'")
    connection.close()
    assert store.runs() == rows


def test_the_version_of_the_index_tells_every_setting_and_default(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = index_rows.layout()
    assert layout["columns"]["train_lr"] == ["train.lr", 0.1] and layout["timing"]["rounds"] == 3
    assert {"run_id", "keep", "best_top1", *layout["columns"]} <= set(layout["summary"])
    assert 0 < index_module.VERSION < 2**31


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_folder_in_the_place_of_a_file_of_the_index_is_said_at_once(store: Store, suffix: str) -> None:
    filled(store)
    store.runs()
    store.index.path.with_name(f"index.sqlite{suffix}").unlink(missing_ok=True)
    store.index.path.with_name(f"index.sqlite{suffix}").mkdir()
    start = time.monotonic()
    with pytest.raises(WorkError, match="it is a folder; move it elsewhere"):
        store.runs()
    assert time.monotonic() - start < 60


def test_an_index_that_cannot_be_a_file_is_a_sentence(store: Store) -> None:
    store.index.path.mkdir(parents=True)
    with pytest.raises(WorkError, match=r"the index .*index\.sqlite could not be used"):
        store.runs()


@pytest.mark.parametrize("name", ["status.json", "spec.json", "points.jsonl"])
def test_a_damaged_run_says_so_and_hides_no_other(store: Store, name: str) -> None:
    good, bad = filled(store), filled(store, 1)
    (bad.path / name).write_text("{}x\n")
    rows = {row["run_id"]: row for row in store.runs()}
    assert rows[good.id]["state"] == "queued" and rows[bad.id]["state"] == "failed"
    assert name in rows[bad.id]["error"] and rows[bad.id].keys() == rows[good.id].keys()
    assert {row["run_id"] for row in store.points()} == {good.id}


def test_foreign_files_among_the_runs_are_left_alone(store: Store) -> None:
    run = filled(store)
    (store.folder / "notes.txt").write_text("mine")
    (store.folder / "20260101").mkdir()
    assert [row["run_id"] for row in store.runs()] == [run.id]


def test_a_run_without_a_status_is_listed_and_can_be_deleted(store: Store) -> None:
    run = filled(store)
    (run.path / "status.json").unlink()
    (store.folder / "20260101-000000-00000000").mkdir()
    assert [row["state"] for row in store.runs()] == ["failed", "failed"]
    for row in store.runs():
        assert row["error"].startswith("this run is damaged: cannot read") and "status.json" in row["error"]
        store.delete(row["run_id"])
    assert store.runs() == [] and list(store.folder.iterdir()) == []


def test_gallery_runs_are_listed_and_only_read(tmp_path: Path, store: Store) -> None:
    other = Store(tmp_path / "elsewhere", gallery=tmp_path / "none")
    shipped = filled(other, 9)
    (tmp_path / "gallery").mkdir()
    shutil.copytree(shipped.path, tmp_path / "gallery" / shipped.id)
    before = sorted((tmp_path / "gallery").rglob("*"))
    mine = filled(store)
    rows = {row["run_id"]: row["gallery"] for row in store.runs()}
    assert rows == {shipped.id: True, mine.id: False}
    assert {row["gallery"] for row in store.points() if row["run_id"] == shipped.id} == {True}
    assert store.run(shipped.id).gallery and store.run(shipped.id).points() == shipped.points()
    with pytest.raises(RequestError, match="is a gallery run, shipped with the project; it cannot be deleted"):
        store.delete(shipped.id)
    assert sorted((tmp_path / "gallery").rglob("*")) == before


def test_the_shipped_gallery_is_the_projects_own() -> None:
    assert ROOT / "results" / "gallery" == GALLERY


def test_a_run_that_another_process_deletes_first_is_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(specs.parse({}))
    monkeypatch.setattr(store, "job", lambda _: run)
    shutil.rmtree(run.path)
    with pytest.raises(RequestError, match="was deleted in the meantime"):
        store.delete(run.id)


def test_a_run_that_is_worked_on_is_not_deleted(store: Store) -> None:
    run = store.create(make(), foreground=True)
    with pytest.raises(RequestError, match="is running; cancel it before deleting it"):
        store.delete(run.id)
    run.lock.release()
    store.delete(run.id)
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize("root", ["file", "file/below", "/proc/espalier"])
def test_a_results_folder_that_cannot_be_written_is_refused_in_one_sentence(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"the results folder .* cannot be (made|written to)") as caught:
        Store(tmp_path / root).create(make())
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_no_half_of_a_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(make())
    before = sorted(store.folder.iterdir())

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match="the disk is full"):
        store.create(make(1))
    assert sorted(store.folder.iterdir()) == before


def test_what_killed_processes_left_is_swept_after_a_while(store: Store) -> None:
    run = store.create(make())
    for name in (".new-1", ".gone-1"):
        (store.folder / name).mkdir()
    store.sweep()
    assert len(list(store.folder.iterdir())) == 3
    for leftover in store.folder.glob(".*-*"):
        os.utime(leftover, (0, 0))
    store.sweep()
    assert list(store.folder.iterdir()) == [run.path]


def test_a_runs_files_read_back_as_written(store: Store) -> None:
    run = store.create(make())
    assert (run.env(), run.event_lines(), run.points(), run.measurements(), run.log_tail()) == ({}, [], [], [], [])
    run.write_env({"torch": "2.12.0"})
    run.append_event(PhaseEvent(phase="layers", message="measuring"))
    run.append_event(runs.epoch(1, 3))
    run.append_measurement(runs.timing(2))
    run.log("one\n")
    run.log("two")
    assert run.env() == {"torch": "2.12.0"} and run.measurements() == [runs.timing(2)]
    assert [event["kind"] for event in run.event_lines()] == ["phase", "epoch"] and run.event_lines()[1]["epoch"] == 1
    assert run.log_tail(1) == ["two"]
    assert run.model_file(2, ".plan.json") == run.path / "models" / "p2.plan.json"


def test_steps_count_different_epochs_and_points_once(store: Store) -> None:
    run = filled(store)
    for epoch in (1, 2, 1, 2):
        run.append_event(runs.epoch(epoch, 2))
    run.append_event(Note(text="x"))
    assert run.steps() == 5


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, engine.storage.store, engine.stats, engine.jobs.worker, engine.jobs.child; "
        "print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.stdout == "False\n", answer.stderr


def test_statuses_are_plain_json(store: Store) -> None:
    run = store.create(make())
    assert json.loads((run.path / "status.json").read_text()) == run.status().to_json()


def test_a_folder_that_comes_while_a_state_is_written_is_put_aside(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create(specs.parse({}))
    write = atomic.write_json

    def with_a_folder_first(path: Path, value: object) -> None:
        monkeypatch.setattr(atomic, "write_json", write)
        path.unlink()
        (path / "inside").mkdir(parents=True)
        write(path, value)

    monkeypatch.setattr(atomic, "write_json", with_a_folder_first)
    run.write_status(run.status().changed(message="goes on"))
    assert store.run(run.id).status().message == "goes on"
