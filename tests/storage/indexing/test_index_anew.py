"""The index is made anew where it is lost, damaged or of another version, and only what changed is read again."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WorkError
from engine.storage.indexing import index as index_module
from engine.storage.indexing.rows import layout
from engine.storage.store import Store
from tests.support.stores import filled


def test_only_folders_that_changed_are_read_again(store: Store, read: list[str]) -> None:
    runs = [filled(store, seed) for seed in range(5)]
    store.runs()
    read.clear()
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
    assert len([s for s in statements if s.startswith("SELECT")]) == 2, "the count of changes, and the answer"


DAMAGE: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "noise": lambda path: path.write_bytes(os.urandom(5000)),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "another version": lambda path: sqlite3.connect(path, isolation_level=None).execute("PRAGMA user_version = 99"),
    "no table": lambda path: sqlite3.connect(path, isolation_level=None).execute("DROP TABLE columns"),
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
    said = layout()
    assert said["columns"]["train_lr"] == ["train.lr", 0.1] and said["timing"]["rounds"] == 3
    assert {"run_id", "keep", "best_top1", *said["columns"]} <= set(said["summary"])
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
