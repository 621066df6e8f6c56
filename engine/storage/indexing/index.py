"""`results/index.sqlite`: a copy of what the job folders say, and so the queue in a form for queries. No torch.

Every question first takes over the folders whose files changed since (`engine.storage.indexing.watch`), but for those
that follow the first one of a `look`, and then reads rows. Each has a check value. Deleted, damaged or from another
version, the index is made anew: it holds nothing that the folders do not.

A process keeps the heads of all jobs, as a look at a hundred thousand rows would take longer than all else. The index
counts its changes, so that heads which other processes wrote meanwhile are read, and no others.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from engine.errors import WorkError
from engine.storage import atomic, files, look
from engine.storage.folders.journal import Journal
from engine.storage.indexing import filling, tables
from engine.storage.indexing.columns import NO_POINTS, PointColumns
from engine.storage.indexing.head import Head
from engine.storage.indexing.known import Known, age_order, known_of
from engine.storage.indexing.places import Place
from engine.storage.indexing.rows import index_row
from engine.storage.indexing.tables import VERSION, DamageError, StaleError
from engine.storage.locks import Lock

T = TypeVar("T")
BUSY_SECONDS = 30.0
_DAMAGE_CODES = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
}
_NO_SPACE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


class Index:
    """The SQLite file at `path` (WAL; writers take turns by BEGIN IMMEDIATE). Opened anew for every use.

    Of a results folder that is not there, or may only be read, it is in this process's memory.
    """

    def __init__(self, path: Path, places: Sequence[Place]) -> None:
        self.path = path
        self._journal = Journal(path.parent)
        self._known = known_of(path, tuple(places), self._journal)

    def heads(self) -> list[Head]:
        """Every job as the queue sees it, after taking over what changed."""
        return list(self.by_id().values())

    def by_id(self) -> dict[str, Head]:
        """The same by the jobs' ids."""
        return self._connect(lambda connection, known: dict(self._refresh(connection, known)))

    def open_heads(self) -> list[Head]:
        """The jobs of the user's that wait or run, of which there are few among very many that have ended."""

        def select(connection: sqlite3.Connection, known: Known) -> list[Head]:
            self._refresh(connection, known)
            return [known.heads[job_id] for job_id in known.open]

        return self._connect(select)

    def token(self) -> tuple[int, list[Head]]:
        """A number that is another one whenever any job changed, and the jobs that need a process."""

        def select(connection: sqlite3.Connection, known: Known) -> tuple[int, list[Head]]:
            self._refresh(connection, known)
            return known.token, [known.heads[job_id] for job_id in known.busy]

        return self._connect(select)

    def summaries(self, kinds: Collection[str], ids: Collection[str] | None = None) -> list[tuple[Head, str]]:
        """The jobs of some kinds with their summaries, newest first; with `ids` only those among them."""

        def select(connection: sqlite3.Connection, known: Known) -> list[tuple[Head, str]]:
            heads = self._refresh(connection, known)
            chosen = [heads[i] for i in (heads if ids is None else ids) if i in heads and heads[i].kind in kinds]
            texts = tables.summaries_of(connection, chosen, whole=ids is None)
            return [(head, texts[head.job_id]) for head in sorted(chosen, key=age_order, reverse=True)]

        return self._connect(select)

    def columns(self, ids: Collection[str]) -> list[tuple[Head, str, PointColumns]]:
        """The runs among some jobs that have points, oldest first, each with its summary and its points as columns."""

        def select(connection: sqlite3.Connection, known: Known) -> list[tuple[Head, str, PointColumns]]:
            heads = self._refresh(connection, known)
            chosen = sorted((heads[i] for i in ids if i in heads and heads[i].points), key=age_order)
            texts, columns = tables.summaries_of(connection, chosen), tables.columns_of(connection, chosen)
            return [(head, texts[head.job_id], columns[head.job_id]) for head in chosen]

        return self._connect(select)

    def put(self, job_id: str, place: Place) -> None:
        """Takes over one folder, without looking at the others."""
        self._connect(lambda connection, _: tables.write(connection, [index_row(job_id, place)], ()), looks=False)

    def rebuild(self) -> int:
        """Makes the index anew from the folders; how many runs it holds then."""
        if self._is_writable():
            self._discard()
        else:
            self._known.forget_memory()
        return sum(head.kind in ("run", "gallery") for head in self.heads())

    def differs(self) -> bool:
        """Whether the index holds other rows than the folders would give now: it was changed by somebody else."""

        def compare(connection: sqlite3.Connection, known: Known) -> bool:
            known.forget()
            heads = list(self._refresh(connection, known).values())
            texts, columns = tables.summaries_of(connection, heads), tables.columns_of(connection, heads)
            for job_id, place in known.watch.jobs().items():
                row = index_row(job_id, place)
                if (texts.get(job_id), columns.get(job_id, NO_POINTS)) != (row.summary, row.columns):
                    return True
            return False

        return self._connect(compare)

    def _refresh(self, connection: sqlite3.Connection, known: Known) -> Mapping[str, Head]:
        # Known before looked: a run that appears in between is new next time, and never taken for a deleted one.
        written = known.catch_up(connection)
        if look.is_done(self.path, known.epoch):
            return known.heads
        changes = known.watch.look(known.heads, [*written, *known.busy])
        if changes.changed or changes.removed:
            if changes.removed:
                tables.write(connection, [], changes.removed)
                known.catch_up(connection)
            filling.fill(connection, changes.changed, known)
            known.catch_up(connection)
            known.drop(changes.removed)
        known.watch.settle(changes)
        if changes.blind and self._is_writable():
            self._journal.prepare()
        look.note(self.path, known.epoch)
        return known.heads

    def _connect(self, action: Callable[[sqlite3.Connection, Known], T], *, looks: bool = True) -> T:
        with self._known.lock:
            if not self._is_writable():
                return self._in_memory(action)
            for attempt in (1, 2, 3):
                try:
                    with closing(self._open()) as connection:
                        return action(connection, self._known.on_disk)
                except (sqlite3.Error, UnicodeDecodeError) as error:  # of what a damaged file says of itself
                    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
                    if looks and (code & 0xFF in _NO_SPACE or (attempt == 3 and code & 0xFF == sqlite3.SQLITE_IOERR)):
                        return self._in_memory(action)  # a full disk keeps nobody from looking
                    if attempt == 3 or code & 0xFF not in _DAMAGE_CODES:
                        raise WorkError(f"the index {self.path} could not be used: {_reason(error, code)}") from error
                    self._known.on_disk.forget()
                    if attempt == 1 and isinstance(error, StaleError):
                        continue  # another process has just written that row, or removed it
                self._discard()
            raise AssertionError("unreachable")

    def _in_memory(self, action: Callable[[sqlite3.Connection, Known], T]) -> T:
        known = self._known.in_memory
        if known.memory is None:
            known.memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            tables.make(known.memory)
        try:
            return action(known.memory, known)
        except sqlite3.Error as error:
            self._known.forget_memory()
            raise WorkError(f"the index could not be made in memory: {error}") from error

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
        if not self.path.exists():
            # With the folder's group and mode, which SQLite gives the files beside it. Not later: closing a file lets
            # go of this process's locks on it, and another one would take SQLite's log away.
            with suppress(OSError), files.opened(self.path, os.O_WRONLY | os.O_CREAT):
                pass  # what stands in the way is SQLite's to say
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cell_size_check = ON")
            version = _version(connection)
            if version not in (0, VERSION):
                raise DamageError("another version wrote it")
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
            connection.execute(f"PRAGMA page_size = {tables.PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            tables.make(connection)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")

    def _discard(self) -> None:
        self._known.on_disk.forget()
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
