"""`espalier doctor` says what is wrong with a results folder, mends what can be mended, and leaves the rest alone."""

import os
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.doctor import examine
from engine.jobs import worker
from engine.spec import run as specs
from engine.storage.folders.run import Run
from engine.storage.records.event import Note
from engine.storage.store import Store
from tests.support import runs


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results", gallery=tmp_path / "gallery")
    store.prepare()
    return store


@pytest.fixture
def run(store: Store) -> Run:
    """One that is done, with a point before and one after recovery."""
    run = runs.finished(store, specs.parse({"target": {"keep": [0.6]}}))
    run.append_event(Note(text="good"))
    run.append_measurement(runs.timing(2))
    return run


def kinds(store: Store) -> list[str]:
    return [finding.kind for finding in examine.examine(store)]


def mended(store: Store) -> list[str | None]:
    return [outcome.refusal for outcome in examine.fix(store)]


def test_nothing_is_wrong_with_a_good_folder(store: Store, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert kinds(store) == []
    assert main(["doctor", "--results", str(store.root)]) == 0
    assert capsys.readouterr().out == f"nothing is wrong with {store.root}\n"


def append(name: str, text: str) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(text)

    return damage


DAMAGE: dict[str, Callable[[Path], object]] = {
    "status.json": lambda folder: (folder / "status.json").write_text("{"),
    "no status.json": lambda folder: (folder / "status.json").unlink(),
    "env.json": lambda folder: (folder / "env.json").write_text("[" * 5000),
    "points.jsonl": append("points.jsonl", '{"point": 3}\n'),
    "events.jsonl": append("events.jsonl", "no JSON\n"),
    "measurements.jsonl": append("measurements.jsonl", "[]\n"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_mended_and_nothing_else_is_lost(store: Store, run: Run, damage: str) -> None:
    points, events = run.points(), run.event_lines()
    DAMAGE[damage](run.path)
    [finding] = examine.examine(store)
    assert finding.kind == "damage" and finding.where == str(run.path / damage.removeprefix("no "))
    assert mended(store) == [None] and kinds(store) == []
    assert run.points() == points and run.event_lines() == events and len(run.measurements()) == 1
    assert store.runs()[0]["state"] == ("failed" if damage.endswith(("status.json", "points.jsonl")) else "done")


def test_a_damaged_request_cannot_be_mended_and_is_said(store: Store, run: Run, capsys: Any) -> None:
    (run.path / "spec.json").write_text("{}x")
    assert main(["doctor", "--fix", "--results", str(store.root)]) == 1
    out = capsys.readouterr().out
    assert "spec.json is damaged: it is not JSON (not mended: it cannot be mended by itself)" in out


@pytest.mark.parametrize("name", ["events.jsonl", "log.txt", ".lock", "points.jsonl", "checkpoint", "models"])
def test_a_link_goes_and_what_it_points_to_stays(store: Store, run: Run, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    place = run.path / name
    if name in ("checkpoint", "models"):
        shutil.rmtree(place, ignore_errors=True)
        victim.mkdir()
    else:
        place.unlink(missing_ok=True)
        victim.write_text("mine")
    place.symlink_to(victim)
    assert kinds(store) == ["link"] and store.runs()[0]["error"].startswith("this run is damaged: ")
    assert mended(store) == [None] and kinds(store) == []
    assert victim.exists() and not place.is_symlink()


def test_a_run_that_is_a_link_itself_is_removed_from_the_list(store: Store, run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    run.path.rename(elsewhere)
    run.path.symlink_to(elsewhere)
    assert kinds(store) == ["link"] and mended(store) == [None]
    assert store.runs() == [] and (elsewhere / "status.json").exists()


def test_a_queue_without_a_worker_gets_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Store] = []
    monkeypatch.setattr(worker, "start_detached", started.append)
    store.create(specs.parse({}))
    [finding] = examine.examine(store)
    assert finding.kind == "worker" and "no worker is running, and 1 job waits for one" in finding.sentence
    assert mended(store) == [None] and started == [store]


def test_an_index_that_says_other_things_is_made_anew(store: Store, run: Run) -> None:
    truth = store.runs()
    from engine.storage.indexing import tables

    with sqlite3.connect(store.index.path) as connection:
        (summary,) = connection.execute("SELECT summary FROM texts").fetchone()
        row = (run.id, summary.replace("0.9", "0.8"))
        connection.execute("REPLACE INTO texts VALUES (?,?,?)", (*row, tables.check_value(row)))
    connection.close()
    assert kinds(store) == ["index"] and mended(store) == [None]
    assert kinds(store) == [] and store.runs() == truth


def test_a_disk_that_is_nearly_full_is_said(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12 - 10**6, 10**6))
    [finding] = examine.examine(store)
    assert finding.kind == "disk" and "only 1" in finding.sentence and finding.fix is None


def test_files_that_those_who_share_the_folder_cannot_write_are_shared(store: Store, run: Run) -> None:
    for folder in (store.root, store.folder):
        folder.chmod(0o2775)
    assert set(kinds(store)) == {"permission"}
    assert set(mended(store)) == {None} and kinds(store) == []
    assert (run.path / "status.json").stat().st_mode & 0o777 == 0o664 and run.path.stat().st_mode & 0o2775 == 0o2775


def test_what_a_killed_process_left_is_cleared_away(store: Store) -> None:
    (store.folder / ".new-1").mkdir()
    os.utime(store.folder / ".new-1", (0, 0))
    assert kinds(store) == ["leftover"] and mended(store) == [None] and kinds(store) == []


def test_a_damaged_device_file_hides_nothing_else(store: Store, run: Run, capsys: Any) -> None:
    (store.root / "devices.toml").write_text("[" * 5000)
    (run.path / "log.txt").unlink(missing_ok=True)
    (run.path / "log.txt").symlink_to("/etc/hostname")
    assert main(["doctor", "--json", "--results", str(store.root)]) == 1
    out = capsys.readouterr().out
    assert "devices.toml is damaged" in out and "log.txt" in out
