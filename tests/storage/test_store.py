"""Run folders are the truth; what the index says is always theirs."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.errors import RequestError, WorkError
from engine.spec import run as specs
from engine.storage import atomic
from engine.storage.records.event import Note, PhaseEvent
from engine.storage.store import GALLERY, Store
from tests.support import runs
from tests.support.places import ROOT
from tests.support.stores import filled, make, point


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


@pytest.mark.parametrize("root", ["file", "file/below", "/proc/espalier"])
def test_a_results_folder_that_cannot_be_written_is_refused_in_one_sentence(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"the results folder .* cannot be (made|written to)") as caught:
        Store(tmp_path / root).create(make())
    assert "\n" not in str(caught.value)


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
        "import sys, engine.storage.store, engine.statistics.intervals, engine.jobs.worker, engine.jobs.child; "
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


def test_a_folder_that_is_held_reads_as_any_other_and_is_opened_once(store: Store) -> None:
    run = filled(store)
    run.write_env({"cpu": "a processor"})
    apart = run.status(), run.request(), run.env(), list(run.described_documents(run.request())), run.measurements()
    elsewhere = run.path.with_name(".elsewhere")
    with run.held():
        run.path.rename(elsewhere)  # whoever holds it goes on in the same folder
        together = run.status(), run.request(), run.env(), list(run.described_documents(run.request()))
        assert (*together, run.measurements()) == apart and not list(run.odd_files())
        assert run.has("points.jsonl") and not run.has("annotation.json")
    with pytest.raises(WorkError, match="cannot read"):
        run.status()
    with run.held():  # of a folder that is not there each file says so
        assert not run.has("env.json")
        with pytest.raises(WorkError, match=r"cannot read .*spec\.json"):
            run.request()


def test_small_files_that_are_asked_for_are_read_together_and_all_others_as_ever(store: Store) -> None:
    run = filled(store)
    asked = ("status.json", "spec.json", "env.json", "points.jsonl", "annotation.json")
    points = run.path / "points.jsonl"
    points.write_bytes(100 * points.read_bytes())
    (run.path / "env.json").symlink_to(run.path / "spec.json")
    count = psutil.Process().num_fds()
    with run.held(asked) as held:
        assert held is not None and not held.small
        held.read_small()
        assert held.small.keys() == {"status.json", "spec.json"}
        (run.path / "status.json").unlink()  # it was read
        assert run.status().state == "queued" and b"".join(run.read_blocks("points.jsonl")) == points.read_bytes()
        with pytest.raises(WorkError, match=r"env\.json: it is a link"):
            run.env()
    with run.held(asked):
        pass  # nothing is read
    assert psutil.Process().num_fds() == count
