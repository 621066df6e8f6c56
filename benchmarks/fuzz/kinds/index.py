"""The index: bytes of a valid one changed, other things in its place. What it says is always what the folders do."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz import damage
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.kinds import results
from benchmarks.fuzz.trial import Kind
from engine.jobs.queue import Queue
from engine.storage.store import Store

_EDITS = "edits.json"  # of the index as it was made: its bytes name inodes, so they are not the same a second time
_SIZE = 1 << 16


def _attempt(folder: Path, tried: Input) -> None:
    store = results.make(folder)
    before = _answers(store)
    edits = tried.files.get(_EDITS)
    if isinstance(edits, bytes):
        data = store.index.path.read_bytes()
        store.index.path.write_bytes(damage.edit(data, [_edit(each, len(data)) for each in json.loads(edits)]))
    Input({name: content for name, content in tried.files.items() if name != _EDITS}).write(folder)
    after = _answers(Store(store.root, gallery=store.gallery))
    assert after == before, "the index says something else than the folders"


def _answers(store: Store) -> Any:
    return store.points(), store.runs(), store.timings(), store.token(), Queue(store).counts()


def _edit(edit: list[Any], size: int) -> tuple[str, int, int, bytes]:
    kind, first, second, word = edit
    return kind, first * size // _SIZE, second * size // _SIZE, bytes.fromhex(word)


def _with_edits(edits: list[tuple[str, int, int, bytes]]) -> Input:
    return Input({_EDITS: json.dumps([[*edit[:3], edit[3].hex()] for edit in edits]).encode()})


_CHANGED = damage.edits(_SIZE).map(_with_edits)
_NAMES = [f"results/index.sqlite{suffix}" for suffix in ("", "-wal", "-shm")] + ["results/.index.sqlite.lock"]
_REPLACED = damage.damaged_files({name: st.binary(max_size=500) for name in _NAMES})
KIND = Kind("index", st.one_of(_CHANGED, _CHANGED, _CHANGED, _REPLACED), _attempt)
