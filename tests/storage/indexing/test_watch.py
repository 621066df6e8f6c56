"""Of many jobs those are looked at that changed: told by the journal, found in the listing, or by turns."""

import os
import shutil
from pathlib import Path

import pytest

from engine.storage.folders import journal
from engine.storage.folders.run import Run
from engine.storage.indexing import known, watch
from engine.storage.store import Store
from tests.support import runs
from tests.support.stores import filled, point


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The watch's own clock, which stands still until a test moves it; and few jobs are many."""
    now = [1000.0]
    monkeypatch.setattr(watch, "FEW_JOBS", 2)
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def many(store: Store, clock: list[float]) -> list[Run]:
    """More jobs than are looked at each time; all are known."""
    made = [filled(store, seed) for seed in range(6)]
    for run in made:
        run.update(state="done")
    store.runs(), store.runs()
    return made


def noted_stamps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs whose files are looked at from here on."""
    looked: list[str] = []
    stamp = watch.Place.stamp
    monkeypatch.setattr(watch.Place, "stamp", lambda self, job_id: looked.append(job_id) or stamp(self, job_id))
    return looked


def state_of(store: Store, run: Run) -> str:
    return next(str(row["state"]) for row in store.runs() if row["run_id"] == run.id)


def test_a_look_at_many_jobs_is_one_at_those_that_the_journal_names(
    store: Store, many: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = noted_stamps(monkeypatch)
    store.token()
    assert looked == []
    many[3].append_point(point(3, 0.95))
    many[4].append_measurement(runs.timing(2))
    token = store.token()
    assert set(looked) == {many[3].id, many[4].id}
    assert {row["run_id"]: row["points"] for row in store.runs()}[many[3].id] == 4 and store.token() == token
    many[5].update(state="cancelled")
    assert state_of(store, many[5]) == "cancelled" and store.token() != token


def test_runs_that_are_copied_and_deleted_by_hand_are_seen_at_once(store: Store, many: list[Run]) -> None:
    shutil.copytree(many[0].path, store.folder / "20250101-000000-00000000")
    shutil.rmtree(many[1].path)
    assert {row["run_id"] for row in store.runs()} == {"20250101-000000-00000000", many[0].id} | {
        run.id for run in many[2:]
    }
    assert len(store.points()) == 18


def test_a_change_that_nobody_told_of_is_seen_when_its_turn_comes(
    store: Store, many: list[Run], clock: list[float]
) -> None:
    text = (many[2].path / "status.json").read_text()
    (many[2].path / "status.json").write_text(text.replace('"done"', '"failed"'))
    assert state_of(store, many[2]) == "done"
    for _ in range(12):
        clock[0] += watch.ROUND_SECONDS / 10
        store.runs()
    assert state_of(store, many[2]) == "failed"
    (many[2].path / "status.json").write_text(text)
    clock[0] += watch.ROUND_SECONDS
    assert state_of(store, many[2]) == "done", "after a pause everything is looked at"


def test_a_job_on_which_a_process_works_is_looked_at_each_time(store: Store, many: list[Run]) -> None:
    run = many[0]
    run.update(state="running")
    assert run.lock.acquire() and state_of(store, run) == "running"
    with (run.path / "points.jsonl").open("a") as file:  # by a process that is killed before it can tell
        file.write((run.path / "points.jsonl").read_text().splitlines()[0] + "\n")
    assert {row["run_id"]: row["points"] for row in store.runs()}[run.id] == 4


@pytest.mark.parametrize("damage", ["gone", "noise", "no line", "begun anew"])
def test_without_a_sound_journal_everything_is_looked_at_and_it_is_made_again(
    store: Store, many: list[Run], damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.root / journal.NAME
    looked = noted_stamps(monkeypatch)
    if damage == "gone":
        path.unlink()
    elif damage == "noise":
        path.write_bytes(os.urandom(100))
    elif damage == "no line":
        with path.open("ab") as file:
            file.write(b"../../etc/passwd\n")
    else:
        journal.Journal(store.root)._begin()
    store.token()
    assert set(looked) == {run.id for run in many}
    store.token()
    looked.clear()
    store.token()
    assert looked == [] and journal.Journal(store.root).end() is not None
    many[1].update(state="failed")
    assert state_of(store, many[1]) == "failed"


def test_a_journal_begins_anew_before_it_is_large(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.prepare()
    monkeypatch.setattr(journal, "MOST_BYTES", 200)
    told, position = journal.Journal(store.root), None
    for _ in range(40):
        told.note("20260101-000000-00000000")
    assert told.path.stat().st_size < 300
    position, names = told.since(position)
    assert names is None and position == told.end()
    told.note("20260101-000000-00000001-2")
    assert told.since(position)[1] == {"20260101-000000-00000001-2"}
    with told.path.open("ab") as file:
        file.write(b"20260101-0000")
    assert told.since(told.since(position)[0])[1] == frozenset(), "a line that is not whole yet is left for later"


def test_a_folder_that_may_only_be_read_is_read_once(
    store: Store, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [filled(store, seed) for seed in range(3)]
    known._KNOWN.clear()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and real(path, mode))
    read.clear()
    for _ in range(3):
        store = Store(store.root, gallery=store.gallery)
        assert len(store.points()) == 9
    assert sorted(read) == sorted(run.id for run in made)
    made[1].append_point(point(3, 0.9))
    assert len(store.points()) == 10 and read[3:] == [made[1].id]


def test_what_another_process_wrote_into_the_index_is_taken_over(store: Store, many: list[Run], tmp_path: Path) -> None:
    mine = known._KNOWN.copy()
    known._KNOWN.clear()  # as another process begins
    other = Store(store.root, gallery=store.gallery)
    many[0].update(state="failed")
    assert state_of(other, many[0]) == "failed"
    known._KNOWN.clear()
    known._KNOWN.update(mine)
    assert state_of(store, many[0]) == "failed" and store.token() == other.token()
    other.delete(many[0].id)
    assert len(store.points()) == 15
