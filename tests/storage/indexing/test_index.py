"""The index says what the folders say, whatever happens to its file, and is quick to make."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import WorkError
from engine.spec import run as specs
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import runs
from tests.support.places import ROOT

FLIPS = 60


@pytest.fixture
def read_only(store: Store) -> Iterator[Store]:
    """A results folder that says of itself that it may only be read, as to a user who has no permission."""
    real = os.access
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and real(path, mode))
        yield store


def fill(store: Store, count: int) -> list[Run]:
    return [runs.finished(store, specs.parse({"seed": seed, "target": {"keep": [0.6]}})) for seed in range(count)]


def test_a_byte_that_changed_inside_a_valid_index_changes_no_answer(store: Store) -> None:
    fill(store, 12)
    truth = store.runs(), store.points()
    intact = store.index.path.read_bytes()
    rng = random.Random(0)
    noticed = 0
    for _ in range(FLIPS):
        data = bytearray(intact)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        store.index.path.write_bytes(data)
        assert (store.runs(), store.points()) == truth
        noticed += store.index.path.read_bytes() != data
    assert noticed > FLIPS // 20, "most bytes of a small file are in no row"


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"CREATE TABLE jobs", b"CREATE TABLE \xd4obs"), (b"tablejobs", b"table\xd4obs"), (b"NULL", b"N\xffLL")],
)
def test_an_index_whose_own_words_are_damaged_is_made_anew(store: Store, old: bytes, new: bytes) -> None:
    fill(store, 2)
    truth = store.runs(), store.points()
    data = store.index.path.read_bytes()
    assert old in data
    store.index.path.write_bytes(data.replace(old, new))
    assert (store.runs(), store.points()) == truth


def test_an_index_behind_a_link_is_made_anew_and_what_the_link_points_to_is_left(store: Store, tmp_path: Path) -> None:
    fill(store, 1)
    truth = store.runs()
    victim = tmp_path / "victim.sqlite"
    shutil.move(store.index.path, victim)
    before = victim.read_bytes()
    store.index.path.symlink_to(victim)
    assert store.runs() == truth
    assert not store.index.path.is_symlink() and victim.read_bytes() == before


def test_a_folder_that_may_only_be_read_is_looked_at_without_an_index(read_only: Store) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: True)
        [run] = fill(read_only, 1)
    read_only.index.path.unlink(missing_ok=True)
    assert [row["run_id"] for row in read_only.runs()] == [run.id] and len(read_only.points()) == 3
    assert read_only.token() and not read_only.index.path.exists()


def test_looking_at_a_folder_that_is_not_there_makes_none(store: Store) -> None:
    assert store.runs() == [] and store.points() == [] and not store.root.exists()


def test_a_results_folder_that_was_moved_away_is_not_made_anew_by_an_index(store: Store) -> None:
    fill(store, 1)
    store.root.rename(store.root.with_name("elsewhere"))
    assert store.runs() == [] and not store.root.exists()
    with pytest.raises(WorkError, match="cannot write"):
        Run(store.folder / "20260101-000000-00000000").write_env({})
    assert not store.root.exists()


def test_many_points_of_one_run_take_no_memory_beyond_their_text() -> None:
    command = [sys.executable, "-m", "benchmarks.dashboard.indexing", "--runs", "1", "--points", "10000"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(result.stdout.split()[-4]) < 110, result.stdout
