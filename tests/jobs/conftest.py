"""A results folder with a queue, of which no process is left at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.jobs.queue import Queue
from engine.storage.store import Store
from tests.support.storm import cleaned


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "results", gallery=tmp_path / "gallery")
    store.prepare()
    with cleaned(store):
        yield store


@pytest.fixture
def queue(store: Store) -> Queue:
    return Queue(store)
