"""The tables of the index: how they are made, written to and read. Each row has a check value. No torch."""

import hashlib
import json
import sqlite3
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from sys import intern
from typing import Any, cast

from engine.storage.indexing.columns import PointColumns
from engine.storage.indexing.head import Head
from engine.storage.indexing.rows import Row, layout

# All of a run fits into a page: of the usual 4,096 bytes it would take several, each of them mostly empty.
PAGE_BYTES = 32_768
_MOST_ASKED = 500  # jobs that are asked for by name; of more all between the first and the last are read
# Without a second index: where one of two copies of a key is damaged, a row is there for some questions only.
_SCHEMA = (
    "CREATE TABLE turns (one INTEGER PRIMARY KEY, epoch TEXT NOT NULL, turn INTEGER NOT NULL,"
    " turn_check INTEGER NOT NULL)",
    "CREATE TABLE jobs (job_id TEXT PRIMARY KEY, stamp TEXT NOT NULL, kind TEXT NOT NULL, lane TEXT NOT NULL,"
    " state TEXT NOT NULL, foreground INTEGER NOT NULL, queued REAL NOT NULL, created REAL NOT NULL,"
    " points INTEGER NOT NULL, turn INTEGER NOT NULL, head_check INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE texts (job_id TEXT PRIMARY KEY, summary TEXT NOT NULL, text_check INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE columns (job_id TEXT PRIMARY KEY, numbers BLOB NOT NULL, words TEXT NOT NULL, layouts TEXT NOT NULL,"
    " kept BLOB NOT NULL, column_check INTEGER NOT NULL) WITHOUT ROWID",
)
# Of a new setting, or another default, no row knows that was written before: the index is made anew. Not 0, as an empty
# file has that, and below 2³¹, which is as far as SQLite's number goes.
_LAYOUT = json.dumps([_SCHEMA, layout()], sort_keys=True)
VERSION = int(hashlib.sha256(_LAYOUT.encode()).hexdigest(), 16) % (2**31 - 1) + 1


class DamageError(sqlite3.DatabaseError):
    """A row is not what was written."""


class StaleError(DamageError):
    """A row is not there that this process knows of."""


def make(connection: sqlite3.Connection) -> None:
    """Makes the tables, with nothing in them."""
    for statement in _SCHEMA:
        connection.execute(statement)
    row = _with_check((1, uuid.uuid4().hex, 0))
    connection.execute("INSERT INTO turns VALUES (?,?,?,?)", row)


def write(connection: sqlite3.Connection, rows: list[Row], removed: Collection[str]) -> int:
    """Puts rows in the place of those of the same jobs, and takes others out, at once; how many times that was done."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        epoch, turn = turn_of(connection)
        connection.execute("REPLACE INTO turns VALUES (?,?,?,?)", _with_check((1, epoch, turn + 1)))
        gone = [(job_id,) for job_id in removed]
        for table in ("jobs", "texts"):
            connection.executemany(f"DELETE FROM {table} WHERE job_id = ?", gone)
        gone += [(row.head.job_id,) for row in rows if not row.head.points]
        connection.executemany("DELETE FROM columns WHERE job_id = ?", gone)
        heads = (_with_check((*_values(row.head), turn + 1)) for row in rows)
        connection.executemany("REPLACE INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?,?)", heads)
        texts = (_with_check((row.head.job_id, row.summary)) for row in rows)
        connection.executemany("REPLACE INTO texts VALUES (?,?,?)", texts)
        columns = (_with_column_check(row.head.job_id, row.columns) for row in rows if row.head.points)
        connection.executemany("REPLACE INTO columns VALUES (?,?,?,?,?,?)", columns)
        connection.execute("COMMIT")
        return turn + 1
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _values(head: Head) -> tuple[Any, ...]:
    place = (head.job_id, head.stamp, head.kind, head.lane, head.state, int(head.foreground))
    return (*place, head.queued, head.created, head.points)


def turn_of(connection: sqlite3.Connection) -> tuple[str, int]:
    """Which index this is, and how many times it was written to."""
    rows = list(_checked(connection.execute("SELECT * FROM turns")))
    if len(rows) != 1:
        raise DamageError("its count of changes is missing")
    _, epoch, turn = rows[0]
    return epoch, turn


def heads_since(connection: sqlite3.Connection, turn: int) -> list[Head]:
    """The heads that were written after a turn."""
    heads = []
    for row in _checked(connection.execute("SELECT * FROM jobs WHERE turn > ?", (turn,))):
        job_id, stamp, *words = row[:5]
        kind, lane, state = (cast(Any, intern(word)) for word in words)  # the same few in all of them
        heads.append(Head(job_id, stamp, kind, lane, state, *row[5:-1]))
    return heads


def _asked(
    connection: sqlite3.Connection, table: str, heads: Sequence[Head], *, whole: bool = False
) -> Iterator[tuple[Any, ...]]:
    """The rows of some jobs in a table; for many of them, which mostly are neighbours, all that lie between."""
    if whole:
        return connection.execute(f"SELECT * FROM {table}")
    ids = [head.job_id for head in heads]
    if len(ids) > _MOST_ASKED:
        return connection.execute(f"SELECT * FROM {table} WHERE job_id BETWEEN ? AND ?", (min(ids), max(ids)))
    return connection.execute(f"SELECT * FROM {table} WHERE job_id IN ({','.join('?' * len(ids))})", ids)


def summaries_of(connection: sqlite3.Connection, heads: Sequence[Head], *, whole: bool = False) -> dict[str, str]:
    """Summaries of jobs by their id."""
    texts = dict(_checked(_asked(connection, "texts", heads, whole=whole)))
    if not all(head.job_id in texts for head in heads):
        raise StaleError("summaries are missing")
    return texts


def columns_of(connection: sqlite3.Connection, heads: Sequence[Head]) -> dict[str, PointColumns]:
    """The points of runs as columns, by their id; none of a run without points."""
    columns: dict[str, PointColumns] = {}
    for job_id, *values, written in _asked(connection, "columns", heads):
        columns[job_id] = PointColumns(*values)
        if written != _column_check(job_id, columns[job_id]):
            raise DamageError("a row is not what was written")
    if not all(head.job_id in columns or not head.points for head in heads):
        raise StaleError("points are missing")
    return columns


def _checked(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows without their check value, which is their last one."""
    for row in rows:
        if row[-1] != check_value(row[:-1]):
            raise DamageError("a row is not what was written")
        yield row[:-1]


def _with_check(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*values, check_value(values))


def check_value(values: tuple[Any, ...]) -> int:
    """What stands at the end of a row with these values."""
    return zlib.crc32("\0".join(map(str, values)).encode(errors="surrogatepass"))


def _with_column_check(job_id: str, columns: PointColumns) -> tuple[Any, ...]:
    values = (job_id, columns.numbers, columns.words, columns.layouts, columns.kept)
    return (*values, _column_check(job_id, columns))


def _column_check(job_id: str, columns: PointColumns) -> int:
    texts = f"{job_id}\0{columns.words}\0{columns.layouts}".encode(errors="surrogatepass")
    return zlib.crc32(columns.kept, zlib.crc32(columns.numbers, zlib.crc32(texts)))
