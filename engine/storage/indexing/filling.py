"""Rows of the index made from job folders, some at a time. No torch."""

import sqlite3
from collections.abc import Mapping

from engine.storage.indexing import tables
from engine.storage.indexing.known import Known
from engine.storage.indexing.places import Place
from engine.storage.indexing.rows import Row, index_rows

_FOLDERS_AT_ONCE = 16  # that are open
_MOST_AT_ONCE = 5_000  # points after which rows are written in one transaction: others wait for its end


def fill(connection: sqlite3.Connection, changed: Mapping[str, Place], known: Known) -> None:
    """Writes the rows of jobs as their folders are. What nobody else wrote in between is known without reading it."""
    rows: list[Row] = []
    points = 0
    ids = sorted(changed)  # in the order of the tables, which grow at their ends then
    for at in range(0, len(ids), _FOLDERS_AT_ONCE):
        more = index_rows({job_id: changed[job_id] for job_id in ids[at : at + _FOLDERS_AT_ONCE]})
        points += sum(row.head.points for row in more)
        rows += more
        if points >= _MOST_AT_ONCE:
            _write(connection, rows, known)
            rows, points = [], 0
    _write(connection, rows, known)


def _write(connection: sqlite3.Connection, rows: list[Row], known: Known) -> None:
    if not rows:
        return
    turn = tables.write(connection, rows, ())
    if turn == known.turn + 1:
        known.take((row.head for row in rows), turn)
