"""Rows of the index made from job folders, some at a time. No torch."""

import sqlite3
from collections.abc import Mapping

from engine.storage.index_rows import FolderState, Row, index_row
from engine.storage.indexing import tables

_MOST_AT_ONCE = 5_000  # points that are written in one transaction: others wait for its end


def fill(connection: sqlite3.Connection, changed: Mapping[str, FolderState]) -> None:
    """Writes the rows of jobs as their folders are."""
    rows: list[Row] = []
    points = 0
    for job_id, folder in sorted(changed.items()):  # in the order of the tables, which grow at their ends then
        rows.append(index_row(job_id, folder))
        points += rows[-1].head.points
        if points >= _MOST_AT_ONCE:
            tables.write(connection, rows, ())
            rows, points = [], 0
    tables.write(connection, rows, ())
