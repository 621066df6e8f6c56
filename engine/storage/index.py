"""`results/index.sqlite`: a copy of what the job folders say, and so the queue in a form for queries. No torch.

Every question first takes over the folders whose files changed since (a stat each, no reading), and then reads rows.
Each has a check value. Deleted, damaged or from another version, the index is made anew: it holds nothing that the
folders do not.
"""

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import WorkError
from engine.storage import atomic, files
from engine.storage.index_rows import FolderState, Head, Row, index_row, layout
from engine.storage.locks import Lock

T = TypeVar("T")
Folders = Mapping[str, FolderState]
BUSY_SECONDS = 30.0
_MOST_AT_ONCE = 20_000  # points that are written in one transaction: others wait for its end
_PAGE = 16_384  # bytes: several points to a page, of which each takes more than one of the usual 4,096
# Without a second index: where one of two copies of a key is damaged, a row is there for some questions only.
_SCHEMA = (
    "CREATE TABLE jobs (job_id TEXT PRIMARY KEY, stamp TEXT NOT NULL, kind TEXT NOT NULL, lane TEXT NOT NULL,"
    " state TEXT NOT NULL, foreground INTEGER NOT NULL, queued REAL NOT NULL, created REAL NOT NULL,"
    " points INTEGER NOT NULL, head_check INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE texts (job_id TEXT PRIMARY KEY, summary TEXT NOT NULL, beside TEXT NOT NULL,"
    " text_check INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE points (job_id TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, point_check INTEGER NOT NULL,"
    " PRIMARY KEY (job_id, n)) WITHOUT ROWID",
)
_TABLES = ("jobs", "texts", "points")
# Of a new setting, or another default, no row knows that was written before: the index is made anew. Not 0, as an empty
# file has that, and below 2³¹, which is as far as SQLite's number goes.
_LAYOUT = json.dumps([_SCHEMA, layout()], sort_keys=True)
VERSION = int(hashlib.sha256(_LAYOUT.encode()).hexdigest(), 16) % (2**31 - 1) + 1
_DAMAGE_CODES = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
}


_NO_SPACE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


class _Damage(sqlite3.DatabaseError):
    """A row is not what was written."""


class Index:
    """The SQLite file at `path` (WAL; writers take turns by BEGIN IMMEDIATE). Opened anew for every use.

    Of a results folder that is not there, or may only be read, it is made in memory for every question.
    """

    def __init__(self, path: Path, scan: Callable[[], Folders]) -> None:
        self.path = path
        self._scan = scan

    def heads(self) -> list[Head]:
        """Every job as the queue sees it, after taking over what changed."""
        return self._connect(self._refresh)

    def summaries(self, kinds: Iterable[str]) -> list[tuple[Head, str]]:
        """The jobs of some kinds with their summaries, newest first."""

        def select(connection: sqlite3.Connection) -> list[tuple[Head, str]]:
            heads = self._refresh(connection)
            texts = _texts(connection, heads)
            chosen = sorted((head for head in heads if head.kind in kinds), key=_age_order, reverse=True)
            return [(head, texts[head.job_id][0]) for head in chosen]

        return self._connect(select)

    def points(self) -> list[tuple[str, list[str]]]:
        """For each run, oldest first, what stands beside its points, and these."""

        def select(connection: sqlite3.Connection) -> list[tuple[str, list[str]]]:
            heads = sorted(self._refresh(connection), key=_age_order)
            texts, points = _texts(connection, heads), _points(connection)
            for head in heads:
                if len(points.get(head.job_id, ())) != head.points:
                    raise _Damage(f"points of {head.job_id} are missing")
            return [(texts[head.job_id][1], points[head.job_id]) for head in heads if head.points]

        return self._connect(select)

    def put(self, job_id: str, folder: FolderState) -> None:
        """Takes over one folder, without looking at the others."""
        self._connect(lambda connection: _replace(connection, {job_id: folder}, ()), looks=False)

    def rebuild(self) -> int:
        """Makes the index anew from the folders; how many runs it holds then."""
        if self._is_writable():
            self._discard()
        return sum(head.kind in ("run", "gallery") for head in self.heads())

    def differs(self) -> bool:
        """Whether the index holds other rows than the folders would give now: it was changed by somebody else."""

        def compare(connection: sqlite3.Connection) -> bool:
            texts, points = _texts(connection, self._refresh(connection)), _points(connection)
            for job_id, folder in self._scan().items():
                row = index_row(job_id, folder)
                stored = (*texts.get(job_id, ("", "")), tuple(points.get(job_id, ())))
                if stored != (row.summary, row.beside, row.points):
                    return True
            return False

        return self._connect(compare)

    def _refresh(self, connection: sqlite3.Connection) -> list[Head]:
        # Known before scanned: a run that appears in between is new next time, and never taken for a deleted one.
        heads = _heads(connection)
        stamps = {head.job_id: head.stamp for head in heads}
        folders = self._scan()
        changed = {i: folder for i, folder in folders.items() if stamps.get(i) != folder.stamp}
        removed = stamps.keys() - folders.keys()
        if not changed and not removed:
            return heads
        _replace(connection, changed, removed)
        return _heads(connection)

    def _connect(self, action: Callable[[sqlite3.Connection], T], *, looks: bool = True) -> T:
        if not self._is_writable():
            return self._in_memory(action)
        for attempt in (1, 2, 3):
            try:
                with closing(self._open()) as connection:
                    return action(connection)
            except (sqlite3.Error, UnicodeDecodeError) as error:  # of what a damaged file says of itself
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
                if looks and (code & 0xFF in _NO_SPACE or (attempt == 3 and code & 0xFF == sqlite3.SQLITE_IOERR)):
                    return self._in_memory(action)  # a full disk keeps nobody from looking
                if attempt == 3 or code & 0xFF not in _DAMAGE_CODES:
                    raise WorkError(f"the index {self.path} could not be used: {_reason(error, code)}") from error
            self._discard()
        raise AssertionError("unreachable")

    def _in_memory(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            for statement in _SCHEMA:
                connection.execute(statement)
            return action(connection)

    def _is_writable(self) -> bool:
        folder = self.path.parent
        return os.access(folder, os.W_OK | os.X_OK) and (not self.path.exists() or os.access(self.path, os.W_OK))

    def _open(self) -> sqlite3.Connection:
        kinds = {file: files.kind_of(file) for file in _files(self.path)}
        for file, kind in kinds.items():
            if kind == "a folder":  # SQLite would wait for it to become a file
                raise WorkError(f"the index {file} could not be used: it is a folder; move it elsewhere")
        if any(kinds.values()):
            self._discard()  # SQLite would write behind a link
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cell_size_check = ON")
            version = _version(connection)
            if version not in (0, VERSION):
                raise _Damage("another version wrote it")
            if version == 0:
                self._make(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self, connection: sqlite3.Connection) -> None:
        # One at a time: switching to WAL does not wait for others, whatever the busy timeout.
        path = self.path
        with _Exclusive(path):
            if _version(connection) == VERSION:
                return
            connection.execute(f"PRAGMA page_size = {_PAGE}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            with atomic.as_work_error(path), files.held_folder(path.parent) as folder, files.opened(path) as file:
                files.share(file, folder)  # SQLite gives the files beside it the same

    def _discard(self) -> None:
        with _Exclusive(self.path), atomic.as_work_error(self.path):
            for file in _files(self.path):
                file.unlink(missing_ok=True)


class _Exclusive:
    """Alone with the index at `path`, while it is made or thrown away."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock(path.with_name(f".{path.name}.lock"))

    def __enter__(self) -> None:
        if not self._lock.acquire(BUSY_SECONDS):
            raise WorkError(f"another process holds {self._lock.path} for more than {BUSY_SECONDS:.0f} s; try again")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _files(path: Path) -> list[Path]:
    return [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _reason(error: Exception, code: int) -> str:
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return "the disk is full; free some space and try again"
    return f"{error}; it may be deleted, and comes back from the run folders"


def _replace(connection: sqlite3.Connection, changed: Folders, removed: Iterable[str]) -> None:
    _write(connection, [], removed)
    rows: list[Row] = []
    for job_id, folder in changed.items():
        rows.append(index_row(job_id, folder))
        if sum(row.head.points for row in rows) >= _MOST_AT_ONCE:
            _write(connection, rows, ())
            rows = []
    _write(connection, rows, ())


def _write(connection: sqlite3.Connection, rows: list[Row], removed: Iterable[str]) -> None:
    ids = [(row.head.job_id,) for row in rows] + [(job_id,) for job_id in removed]
    if not ids:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table in _TABLES:
            connection.executemany(f"DELETE FROM {table} WHERE job_id = ?", ids)
        connection.executemany("INSERT INTO jobs VALUES (?,?,?,?,?,?,?,?,?,?)", map(_with_check, map(_values, rows)))
        texts = ((row.head.job_id, row.summary, row.beside) for row in rows)
        connection.executemany("INSERT INTO texts VALUES (?,?,?,?)", map(_with_check, texts))
        points = ((row.head.job_id, n, body) for row in rows for n, body in enumerate(row.points))
        connection.executemany("INSERT INTO points VALUES (?,?,?,?)", map(_with_check, points))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _values(row: Row) -> tuple[Any, ...]:
    head = astuple(row.head)
    return (*head[:5], int(row.head.foreground), *head[6:])


def _heads(connection: sqlite3.Connection) -> list[Head]:
    return [Head(*row) for row in _checked(connection.execute("SELECT * FROM jobs"))]


def _texts(connection: sqlite3.Connection, heads: Iterable[Head]) -> dict[str, tuple[str, str]]:
    """A job's summary and what stands beside its points, by its id."""
    rows = _checked(connection.execute("SELECT * FROM texts"))
    texts = {job_id: (summary, beside) for job_id, summary, beside in rows}
    if not all(head.job_id in texts for head in heads):
        raise _Damage("summaries are missing")
    return texts


def _points(connection: sqlite3.Connection) -> dict[str, list[str]]:
    points: dict[str, list[str]] = {}
    for job_id, n, body in _checked(connection.execute("SELECT * FROM points ORDER BY job_id, n")):
        bodies = points.setdefault(job_id, [])
        if n != len(bodies):
            raise _Damage(f"points of {job_id} are missing")
        bodies.append(body)
    return points


def _checked(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Rows without their check value, which is their last one."""
    for row in rows:
        if row[-1] != _check(row[:-1]):
            raise _Damage("a row is not what was written")
        yield row[:-1]


def _with_check(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*values, _check(values))


def _check(values: tuple[Any, ...]) -> int:
    return zlib.crc32("\0".join(map(str, values)).encode(errors="surrogatepass"))


def _age_order(head: Head) -> tuple[float, str]:
    return head.created, head.job_id
