"""`results/index.sqlite`: a copy of what the job folders say, and so the queue in a form for queries. No torch.

Every question first takes over the folders whose files changed since (a stat each, no reading), then is one query.
Deleted, damaged or from another version, the index is made anew: it holds nothing that the folders do not.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import WorkError
from engine.storage import atomic
from engine.storage.index_rows import FolderState, Row, index_row, layout
from engine.storage.locks import Lock

T = TypeVar("T")
Folders = Mapping[str, FolderState]
BUSY_SECONDS = 30.0
_SCHEMA = (
    "CREATE TABLE jobs (job_id TEXT PRIMARY KEY, stamp TEXT NOT NULL, kind TEXT NOT NULL, lane TEXT NOT NULL,"
    " state TEXT NOT NULL, foreground INTEGER NOT NULL, queued REAL NOT NULL, created REAL NOT NULL,"
    " summary TEXT NOT NULL, beside TEXT NOT NULL)",
    "CREATE INDEX jobs_by_state ON jobs (state, queued)",
    "CREATE TABLE points (run_id TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run_id, n))"
    " WITHOUT ROWID",
)
# Of a new setting, or another default, no row knows that was written before: the index is made anew. Not 0, as an empty
# file has that, and below 2³¹, which is as far as SQLite's number goes.
_LAYOUT = json.dumps([_SCHEMA, layout()], sort_keys=True)
VERSION = int(hashlib.sha256(_LAYOUT.encode()).hexdigest(), 16) % (2**31 - 1) + 1
_DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_ERROR}


class Index:
    """The SQLite file at `path` (WAL; writers take turns by BEGIN IMMEDIATE). Opened anew for every use."""

    def __init__(self, path: Path, scan: Callable[[], Folders]) -> None:
        self.path = path
        self._scan = scan

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows that `sql` selects, after taking over what changed."""

        def select(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            self._refresh(connection)
            return connection.execute(sql, parameters).fetchall()

        return self._connect(select)

    def put(self, job_id: str, folder: FolderState) -> None:
        """Takes over one folder, without looking at the others."""
        rows = [index_row(job_id, folder)]
        self._connect(lambda connection: _replace(connection, rows, ()))

    def rebuild(self) -> int:
        """Makes the index anew from the folders; how many runs it holds then."""
        self._discard()
        return len(self.query("SELECT job_id FROM jobs WHERE kind != 'timing'"))

    def _refresh(self, connection: sqlite3.Connection) -> None:
        # Known before scanned: a run that appears in between is new next time, and never taken for a deleted one.
        stamps = dict(connection.execute("SELECT job_id, stamp FROM jobs").fetchall())
        folders = self._scan()
        changed = [(i, folder) for i, folder in folders.items() if stamps.get(i) != folder.stamp]
        removed = stamps.keys() - folders.keys()
        if changed or removed:
            _replace(connection, [index_row(i, folder) for i, folder in changed], removed)

    def _connect(self, action: Callable[[sqlite3.Connection], T]) -> T:
        for attempt in (1, 2, 3):
            try:
                with closing(self._open()) as connection:
                    return action(connection)
            except sqlite3.DatabaseError as error:
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
                if attempt == 3 or code & 0xFF not in _DAMAGE_CODES:
                    raise WorkError(f"the index {self.path} could not be used: {_reason(error, code)}") from error
            self._discard()
        raise AssertionError("unreachable")

    def _open(self) -> sqlite3.Connection:
        with atomic.as_work_error(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            if _version(connection) != VERSION:
                self._make(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self, connection: sqlite3.Connection) -> None:
        # One at a time: switching to WAL does not wait for others, whatever the busy timeout.
        with self._exclusive():
            if _version(connection) == VERSION:
                return
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for kind in ("runs", "jobs", "points"):
                connection.execute(f"DROP TABLE IF EXISTS {kind}")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")

    def _discard(self) -> None:
        with self._exclusive(), atomic.as_work_error(self.path):
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _exclusive(self) -> "_IndexLock":
        return _IndexLock(self.path.with_name(f".{self.path.name}.lock"))


class _IndexLock:
    def __init__(self, path: Path) -> None:
        self._lock = Lock(path)

    def __enter__(self) -> None:
        with atomic.as_work_error(self._lock.path):
            self._lock.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._lock.acquire(BUSY_SECONDS):
            raise WorkError(f"another process holds {self._lock.path} for more than {BUSY_SECONDS:.0f} s; try again")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _reason(error: sqlite3.DatabaseError, code: int) -> str:
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return "the disk is full; free some space and try again"
    return f"{error}; it may be deleted, and comes back from the run folders"


def _replace(connection: sqlite3.Connection, rows: list[Row], removed: Iterable[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        ids = [(new.job[0],) for new in rows] + [(job_id,) for job_id in removed]
        connection.executemany("DELETE FROM points WHERE run_id = ?", ids)
        connection.executemany("DELETE FROM jobs WHERE job_id = ?", ids)
        connection.executemany("INSERT INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?)", [new.job for new in rows])
        connection.executemany("INSERT INTO points VALUES (?,?,?)", [point for new in rows for point in new.points])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
