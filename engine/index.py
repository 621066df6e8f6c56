"""`results/index.sqlite`: a copy of what the run folders say, and so the queue in a form that can be asked. No torch.

Every question first takes over the folders whose files changed since (a stat each, no reading), then is one query.
Deleted, damaged or from another version, the index is made anew: it holds nothing that the folders do not.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine import files
from engine import spec as specs
from engine.errors import WorkError
from engine.folder import Run
from engine.locks import Lock

T = TypeVar("T")
VERSION = 3
BUSY_SECONDS = 30.0
_SCHEMA = (
    "CREATE TABLE runs (run_id TEXT PRIMARY KEY, stamp TEXT NOT NULL, gallery INTEGER NOT NULL, state TEXT NOT NULL,"
    " foreground INTEGER NOT NULL, queued REAL NOT NULL, created REAL NOT NULL, summary TEXT NOT NULL,"
    " beside TEXT NOT NULL)",
    "CREATE INDEX runs_by_state ON runs (state, queued)",
    "CREATE TABLE points (run_id TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run_id, n))"
    " WITHOUT ROWID",
)
# Name in the index → path in the request.
_SETTINGS = {
    "model": "model",
    "weights": "weights",
    "data": "data.name",
    "limit": "data.limit",
    "criterion": "criterion",
    "order": "order",
    "metric": "target.metric",
    "depth_share": "target.depth_share",
    "depth_method": "depth.method",
    "width_method": "width.method",
    "scope": "width.scope",
    "round_to": "width.round_to",
    "attempt_fraction": "width.attempt_fraction",
    "layers_per_step": "width.layers_per_step",
    "select": "width.select",
    "least_share": "width.least_share",
    "measure": "attempt.measure",
    "race": "attempt.race",
    "floor": "depth.floor",
    "train_epochs": "train.epochs",
    "train_lr": "train.lr",
    "batch_size": "train.batch_size",
    "weight_decay": "train.weight_decay",
    "label_smoothing": "train.label_smoothing",
    "recover_epochs": "recover.epochs",
    "recover_lr": "recover.lr",
    "between_phases": "recover.between_phases",
    "reestimate_bn": "recover.reestimate_bn",
    "between_steps_batches": "recover.between_steps_batches",
    "distil": "recover.distil",
    "temperature": "recover.temperature",
    "distil_weight": "recover.distil_weight",
    "int8": "int8",
    "val_fraction": "data.val_fraction",
    "seed": "seed",
}
_DEFAULTS: Mapping[str, Any] = specs.RunSpec().model_dump(mode="json")
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_ERROR}


@dataclass(frozen=True)
class Folder:
    """A run folder as it was seen: `stamp` changes whenever its status or points do."""

    path: Path
    gallery: bool
    stamp: str


Folders = Mapping[str, Folder]


class Index:
    """The SQLite file at `path` (WAL; writers take turns by BEGIN IMMEDIATE). Opened anew for every use."""

    def __init__(self, path: Path, scan: Callable[[], Folders]) -> None:
        self.path = path
        self._scan = scan

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows that `sql` selects, after taking over what changed."""

        def ask(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            self._refresh(connection)
            return connection.execute(sql, parameters).fetchall()

        return self._with(ask)

    def put(self, run_id: str, folder: Folder) -> None:
        """Takes over one folder, without looking at the others."""
        rows = [_rows(run_id, folder)]
        self._with(lambda connection: _replace(connection, rows, ()))

    def rebuild(self) -> int:
        """Makes the index anew from the folders; how many runs it holds then."""
        self._discard()
        return len(self.query("SELECT run_id FROM runs"))

    def _refresh(self, connection: sqlite3.Connection) -> None:
        # Known before scanned: a run that appears in between is new next time, and never taken for a deleted one.
        known = dict(connection.execute("SELECT run_id, stamp FROM runs").fetchall())
        folders = self._scan()
        changed = [(i, folder) for i, folder in folders.items() if known.get(i) != folder.stamp]
        gone = known.keys() - folders.keys()
        if changed or gone:
            _replace(connection, [_rows(i, folder) for i, folder in changed], gone)

    def _with(self, use: Callable[[sqlite3.Connection], T]) -> T:
        for attempt in (1, 2, 3):
            try:
                with closing(self._open()) as connection:
                    return use(connection)
            except sqlite3.DatabaseError as error:
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
                if attempt == 3 or code & 0xFF not in _BROKEN:
                    raise WorkError(f"the index {self.path} could not be used: {_reason(error, code)}") from error
            self._discard()
        raise AssertionError("unreachable")

    def _open(self) -> sqlite3.Connection:
        with files.told(self.path):
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
        with self._alone():
            if _version(connection) == VERSION:
                return
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for kind in ("runs", "points"):
                connection.execute(f"DROP TABLE IF EXISTS {kind}")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")

    def _discard(self) -> None:
        with self._alone(), files.told(self.path):
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _alone(self) -> "_Alone":
        return _Alone(self.path.with_name(f".{self.path.name}.lock"))


class _Alone:
    def __init__(self, path: Path) -> None:
        self._lock = Lock(path)

    def __enter__(self) -> None:
        with files.told(self._lock.path):
            self._lock.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._lock.acquire(BUSY_SECONDS):
            raise WorkError(f"another process holds {self._lock.path} for more than {BUSY_SECONDS:.0f} s; try again")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def stamp(path: Path) -> str | None:
    """What tells one state of a run folder from the next, by three stats; None when it has no status.

    A status is replaced, so it is told by its inode too (the clock of a file system may stand still for milliseconds);
    the other files only grow.
    """
    try:
        status = (path / "status.json").stat()
    except OSError:
        return None
    parts = [status.st_mtime_ns, status.st_size, status.st_ino]
    for name in ("points.jsonl", "measurements.jsonl"):
        try:
            grows = (path / name).stat()
            parts += [grows.st_mtime_ns, grows.st_size]
        except FileNotFoundError:
            parts.append(0)
    return ".".join(map(str, parts))


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _reason(error: sqlite3.DatabaseError, code: int) -> str:
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return "the disk is full; free some space and try again"
    return f"{error}; it may be deleted, and comes back from the run folders"


Rows = tuple[tuple[Any, ...], list[tuple[Any, ...]]]


def _replace(connection: sqlite3.Connection, rows: list[Rows], gone: Any) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        ids = [(run[0],) for run, _ in rows] + [(run_id,) for run_id in gone]
        connection.executemany("DELETE FROM points WHERE run_id = ?", ids)
        connection.executemany("DELETE FROM runs WHERE run_id = ?", ids)
        connection.executemany("INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?)", [run for run, _ in rows])
        connection.executemany("INSERT INTO points VALUES (?,?,?)", [point for _, points in rows for point in points])
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _rows(run_id: str, folder: Folder) -> Rows:
    """The rows of one run; a folder that cannot be read becomes a failed run that says so."""
    run = Run(folder.path, gallery=folder.gallery)
    try:
        status, points = run.status(), run.points()
        request = files.read_json(folder.path / "spec.json")
        summary = _summary(run, status, points, request)
        state, queued = str(status["state"]), float(status["times"]["queued"])
        foreground = bool(status.get("foreground"))
        beside = {key: summary[key] for key in ("run_id", "group", "gallery", "state", "created", "host", *_SETTINGS)}
    except (WorkError, KeyError, TypeError, ValueError, AttributeError) as error:
        sentence = str(error) if isinstance(error, WorkError) else f"the files of run {run_id} are damaged: {error!r}"
        summary, points, beside = _unreadable(run, sentence), [], {}
        state, queued, foreground = "failed", 0.0, False
    texts = (json.dumps(summary), json.dumps(beside))
    row = (run_id, folder.stamp, folder.gallery, state, foreground, queued, summary["created"], *texts)
    return row, [(run_id, n, json.dumps(point)) for n, point in enumerate(points)]


def _settings(request: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that points are told apart by, flat."""
    return {name: _setting(request, path) for name, path in _SETTINGS.items()}


def _setting(request: Mapping[str, Any], path: str) -> Any:
    """One value of a request; the spec's default where the run was written before the key existed."""
    given, default = request, _DEFAULTS
    for key in path.split("."):
        default = default[key]
        given = given.get(key, default)
    return given


def _summary(
    run: Run, status: Mapping[str, Any], points: list[dict[str, Any]], request: Mapping[str, Any]
) -> dict[str, Any]:
    baseline = [p["top1"] for p in points if p.get("stage") == "baseline" and p.get("top1") is not None]
    reached = [p["top1"] for p in points if p.get("stage") != "baseline" and p.get("top1") is not None]
    return {
        "run_id": run.id,
        "group": status.get("group"),
        "gallery": run.gallery,
        "state": status["state"],
        "progress": status["progress"],
        "phase": status["phase"],
        "message": status["message"],
        "error": status["error"],
        "host": run.env().get("cpu"),
        **_settings(request),
        "keep": _setting(request, "target.keep"),
        "created": float(status["times"]["created"]),
        "started": status["times"]["started"],
        "finished": status["times"]["finished"],
        "points": len(points),
        "baseline_top1": baseline[0] if baseline else None,
        "best_top1": max(reached, default=None),
    }


def _unreadable(run: Run, sentence: str) -> dict[str, Any]:
    unknown = (*_SETTINGS, "group", "host", "phase", "keep", "started", "finished", "baseline_top1", "best_top1")
    known = {"run_id": run.id, "gallery": run.gallery, "state": "failed", "progress": 0.0, "created": 0.0, "points": 0}
    return {**dict.fromkeys(unknown), **known, "message": sentence, "error": sentence}
