"""What the dashboard's process holds of a results folder: a table of all points and the runs' summaries, of which only
what changed is read again.
"""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from app import memory
from app.tables import assembly, parts
from app.tables.assembly import Column, Piece
from engine.spec.images import domains
from engine.storage.indexing.columns import PointColumns
from engine.storage.indexing.head import Head
from engine.storage.indexing.known import age_order
from engine.storage.store import Store

_RUNS = ("run", "gallery")
_UNKNOWN = object()
_VERSIONS = itertools.count()
_AT_ONCE = 2_000  # runs that are read in one go: what is on the way to the table is several times as large


class HeldPoints:
    """The points of all runs, oldest run first, as `app.tables.points.tidy` has them; any number of threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: str | None = None
        self._heads: dict[str, Head] = {}
        self._rows: dict[str, tuple[int, int]] = {}  # of each run its first row, and the one after its last
        self._columns: dict[str, Column] = assembly.assemble(parts.Part())
        self._frame = assembly.finish(self._columns)
        self._version = next(_VERSIONS)

    def frame(self, store: Store, token: str) -> tuple[pd.DataFrame, int]:
        """The table as it is at a token of the store, or is by now; what a caller does to it stays the caller's.

        With its version, which no other table has in this process.
        """
        with self._lock:
            if token != self._token:
                self._update(store)
                self._token = token
            return self._frame.copy(deep=False), self._version

    def _update(self, store: Store) -> None:
        heads = {job_id: head for job_id, head in store.heads().items() if head.kind in _RUNS and head.points}
        changed = [head for job_id, head in heads.items() if self._heads.get(job_id) is not head]
        if not changed and len(heads) == len(self._heads):
            return
        tables, fresh = [self._columns], dict[str, Piece]()
        for some in _batches(sorted(changed, key=age_order)):
            found = store.columns([head.job_id for head in some])
            fresh |= _places(found, len(tables))
            tables.append(assembly.assemble(parts.from_columns(found)))
        if len(heads) == len(self._heads) and all(self._stays(head, fresh) for head in changed):
            pieces = _replace(self._rows, fresh, len(self._frame))
        else:
            places = {job_id: (0, *rows) for job_id, rows in self._rows.items()} | fresh
            pieces, self._rows = _arrange(heads, places)
        self._frame = assembly.finish(assembly.splice(tables, pieces))
        self._columns = {key: assembly.column_of(self._frame[key]) for key in self._columns}
        self._heads = heads
        self._version = next(_VERSIONS)
        if len(changed) > _AT_ONCE:
            memory.give_back()  # what was on the way, which lies between what stays

    def _stays(self, head: Head, fresh: Mapping[str, Piece]) -> bool:
        """Whether a run has as many rows as before, in the same place."""
        old, rows, new = self._heads.get(head.job_id), self._rows.get(head.job_id), fresh.get(head.job_id)
        if old is None or rows is None or new is None:
            return False
        return old.created == head.created and rows[1] - rows[0] == new[2] - new[1]


def _batches(heads: Sequence[Head]) -> Iterator[Sequence[Head]]:
    return (heads[start : start + _AT_ONCE] for start in range(0, len(heads), _AT_ONCE))


def _places(found: Iterable[tuple[Mapping[str, Any], PointColumns]], table: int) -> dict[str, Piece]:
    """Where each run's rows are in the table that is made of some."""
    places: dict[str, Piece] = {}
    end = 0
    for summary, columns in found:
        start, end = end, end + columns.count
        places[summary["run_id"]] = (table, start, end)
    return places


def _replace(rows: Mapping[str, tuple[int, int]], fresh: Mapping[str, Piece], count: int) -> list[Piece]:
    """Of which pieces a table of `count` rows is made in which some runs' rows are other ones, in the same places."""
    pieces: list[Piece] = []
    end = 0
    for job_id in sorted(fresh, key=rows.__getitem__):
        start, stop = rows[job_id]
        pieces += [(0, end, start), fresh[job_id]]
        end = stop
    return [*pieces, (0, end, count)]


def _arrange(heads: Mapping[str, Head], places: Mapping[str, Piece]) -> tuple[list[Piece], dict[str, tuple[int, int]]]:
    """Of which pieces of several tables one of all runs is made, oldest first, and where each run's rows are then."""
    pieces: list[Piece] = []
    rows: dict[str, tuple[int, int]] = {}
    end = 0
    for head in sorted(heads.values(), key=age_order):
        place = places.get(head.job_id)
        if place is None:
            continue  # it was deleted in between
        table, start, stop = place
        if pieces and pieces[-1][0] == table and pieces[-1][2] == start:
            pieces[-1] = (table, pieces[-1][1], stop)
        else:
            pieces.append(place)
        rows[head.job_id] = (end, end + stop - start)
        end += stop - start
    return pieces, rows


class HeldRuns:
    """The summaries of all runs, newest first, each with a `data_label` that tells its data from all others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: str | None = None
        self._heads: dict[str, Head] = {}
        self._runs: dict[str, dict[str, Any]] = {}
        self._rows: list[dict[str, Any]] = []

    def rows(self, store: Store, token: str) -> list[dict[str, Any]]:
        """The summaries as they are at a token of the store, or are by now."""
        with self._lock:
            if token != self._token:
                self._update(store)
                self._token = token
            return list(self._rows)

    def _update(self, store: Store) -> None:
        heads = {job_id: head for job_id, head in store.heads().items() if head.kind in _RUNS}
        # One that needs a process may lose it without any change of its folder.
        changed = [i for i, head in heads.items() if self._heads.get(i) is not head or head.needs_process()]
        fresh = {run["run_id"]: run for run in (store.runs(changed) if changed else ())}
        self._runs = {i: fresh.get(i) or self._runs[i] for i in heads if i in fresh or i in self._runs}
        self._heads = heads
        label = _labels(self._runs)
        for run_id, run in self._runs.items():  # those that somebody has stay as they are
            if run.get("data_label", _UNKNOWN) != (data_label := label(run["data"])):
                self._runs[run_id] = {**run, "data_label": data_label}
        self._rows = sorted(self._runs.values(), key=lambda run: (run["created"], run["run_id"]), reverse=True)


def _labels(summaries: Mapping[str, Mapping[str, Any]]) -> Callable[[str | None], str | None]:
    names = domains.shorten(dict.fromkeys(run["data"] for run in summaries.values() if run["data"]))
    return lambda name: names[name].label if name else None
