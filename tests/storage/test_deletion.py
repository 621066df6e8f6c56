"""A job comes and goes whole or not at all, and what killed processes left behind goes after a while."""

import os
import shutil

import pytest

from engine.errors import RequestError, WorkError
from engine.spec import run as specs
from engine.storage.store import Store
from tests.support.stores import make


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
