"""What is asked in one go is answered by one look at the job folders."""

import subprocess
import sys

import pytest

from engine.storage.indexing.watch import Changes, Watch
from engine.storage.look import one_look
from engine.storage.store import Store
from tests.support.places import ROOT
from tests.support.stores import filled, point

_HEADS = """
import sys
from pathlib import Path
from engine.storage.store import Store
Store(*map(Path, sys.argv[1:])).heads()
"""


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many folders changed, for each look at them."""
    taken: list[int] = []
    look = Watch.look

    def counted(self: Watch, *arguments: object) -> Changes:
        changes = look(self, *arguments)  # type: ignore[arg-type]
        taken.append(len(changes.changed))
        return changes

    monkeypatch.setattr(Watch, "look", counted)
    return taken


def test_questions_in_one_go_take_one_look_and_agree(store: Store, looks: list[int]) -> None:
    run = filled(store, 0)
    with one_look(), one_look():
        token = store.token()
        run.append_point(point(3, 0.95))
        assert [row["points"] for row in store.runs()] == [3] and len(store.columns([run.id])) == 1
        assert store.token() == token and looks == [1]
    assert [row["points"] for row in store.runs()] == [4] and store.token() != token


def test_what_is_written_to_the_index_meanwhile_is_seen(store: Store, looks: list[int]) -> None:
    filled(store, 0)
    with one_look():
        token = store.token()
        other = filled(store, 1)
        assert len(store.runs()) == 1
        store.note(other)
        assert len(store.runs()) == 2 and store.token() != token and looks == [1]


def test_an_index_that_is_thrown_away_meanwhile_is_made_anew(store: Store, looks: list[int]) -> None:
    filled(store, 0)
    with one_look():
        assert len(store.runs()) == 1
        store.index.path.write_bytes(b"no index")
        assert len(store.runs()) == 1 and looks == [1, 1]


def test_a_run_that_another_process_takes_out_meanwhile_is_gone(store: Store) -> None:
    run = filled(store, 0)
    with one_look():
        store.token()
        store.delete(run.id)
        subprocess.run([sys.executable, "-c", _HEADS, str(store.root), str(store.gallery)], cwd=ROOT, check=True)
        assert store.columns([run.id]) == [] and store.runs() == []
