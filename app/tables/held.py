"""What the dashboard's process holds of a results folder: a table of all points and the runs' summaries, of which only
what changed is read again.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from app.tables import assembly, parts
from app.tables.assembly import Column, Piece
from engine.spec.images import domains
from engine.storage.index_rows import Head
from engine.storage.store import Store

_RUNS = ("run", "gallery")


class HeldPoints:
    """The points of all runs, oldest run first, as `app.tables.points.tidy` has them; any number of threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: str | None = None
        self._heads: dict[str, Head] = {}
        self._rows: dict[str, tuple[int, int]] = {}  # of each run its first row, and the one after its last
        self._columns: dict[str, Column] = assembly.assemble(parts.Part())
        self._frame = assembly.finish(self._columns)

    def frame(self, store: Store, token: str) -> pd.DataFrame:
        """The table as it is at a token of the store, or is by now; what a caller does to it stays the caller's."""
        with self._lock:
            if token != self._token:
                self._update(store)
                self._token = token
            return self._frame.copy(deep=False)

    def _update(self, store: Store) -> None:
        heads = {job_id: head for job_id, head in store.heads().items() if head.kind in _RUNS and head.points}
        changed = [job_id for job_id, head in heads.items() if self._heads.get(job_id) is not head]
        if not changed and len(heads) == len(self._heads):
            return
        found = store.columns(changed)
        part = parts.from_columns(found)
        new: dict[str, tuple[int, int]] = {}
        end = 0
        for summary, columns in found:
            start, end = end, end + columns.count
            new[summary["run_id"]] = (start, end)
        pieces, rows = _arrange(heads, self._rows, new)
        self._columns = assembly.splice(self._columns, assembly.assemble(part), pieces)
        self._heads, self._rows = heads, rows
        self._frame = assembly.finish(self._columns)


def _arrange(
    heads: Mapping[str, Head], old: Mapping[str, tuple[int, int]], new: Mapping[str, tuple[int, int]]
) -> tuple[list[Piece], dict[str, tuple[int, int]]]:
    """Of which pieces of two tables one of all runs is made, oldest first, and where each run's rows are then."""
    pieces: list[Piece] = []
    rows: dict[str, tuple[int, int]] = {}
    end = 0
    for head in sorted(heads.values(), key=lambda head: (head.created, head.job_id)):
        is_new = head.job_id in new
        place = new.get(head.job_id) or old.get(head.job_id)
        if place is None:
            continue  # it was deleted in between
        start, stop = place
        if pieces and pieces[-1][0] == is_new and pieces[-1][2] == start:
            pieces[-1] = (is_new, pieces[-1][1], stop)
        else:
            pieces.append((is_new, start, stop))
        rows[head.job_id] = (end, end + stop - start)
        end += stop - start
    return pieces, rows


class HeldRuns:
    """The summaries of all runs, newest first, each with a `data_label` that tells its data from all others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token: str | None = None
        self._heads: dict[str, Head] = {}
        self._summaries: dict[str, dict[str, Any]] = {}
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
        self._summaries = {i: fresh.get(i) or self._summaries[i] for i in heads if i in fresh or i in self._summaries}
        self._heads = heads
        label = _labels(self._summaries)
        newest_first = sorted(self._summaries.values(), key=lambda run: (run["created"], run["run_id"]), reverse=True)
        self._rows = [{**run, "data_label": label(run["data"])} for run in newest_first]


def _labels(summaries: Mapping[str, Mapping[str, Any]]) -> Callable[[str | None], str | None]:
    names = domains.shorten(dict.fromkeys(run["data"] for run in summaries.values() if run["data"]))
    return lambda name: names[name].label if name else None
