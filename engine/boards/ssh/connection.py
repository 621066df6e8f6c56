"""A board over SSH: log in, run commands there, send files. What can go wrong is in `errors`, and named here too.

    with connect(board, root) as connection:
        connection.run(["uname", "-a"], limit=10).out

A host whose key is not trusted is refused before anything is sent to it: see `trust`. Every wait has an end (`limits`).
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType

from engine.boards.registry import Board
from engine.boards.shell.room import MEASURE
from engine.boards.ssh import limits, remote_process, transfer
from engine.boards.ssh.auth import Authentication
from engine.boards.ssh.errors import (
    BoardFull,
    ConnectionCut,
    KeyChanged,
    LoginRefused,
    ShellRefusal,
    Stopped,
    TimedOut,
    Unreachable,
    Untrusted,
)
from engine.boards.ssh.remote_process import CommandResult, RemoteProcess
from engine.boards.ssh.route import resolve_route
from engine.boards.ssh.transport import Transport
from engine.boards.ssh.trust import connect_and_check, refuse_untrusted
from engine.errors import WorkError
from engine.spec.messages import quote

__all__ = [
    "BoardFull",
    "CommandResult",
    "Connection",
    "ConnectionCut",
    "KeyChanged",
    "LoginRefused",
    "RemoteProcess",
    "ShellRefusal",
    "Stopped",
    "TimedOut",
    "Unreachable",
    "Untrusted",
    "connect",
]

_LONGEST_PATH = 4000  # characters; Linux takes 4,096 bytes
CACHE_FOLDERS = ("models", "engines", "scripts")

_MAKE_CACHE = (
    MEASURE
    + """
umask 077
case "$XDG_CACHE_HOME" in /*) cache=$XDG_CACHE_HOME ;; *) cache=$HOME/.cache ;; esac
for folder in "$cache/espalier" "$@"; do
  case "$folder" in /*) ;; *) folder=$cache/espalier/$folder ;; esac
  mkdir -p -- "$folder" && chmod 700 -- "$folder" || { room "$folder"; exit 1; }
done
printf '%s\\0' "$cache/espalier"
"""
)


def connect(board: Board, root: Path, *, password: str | None = None) -> "Connection":
    """Logs in to a board, through its jump hosts; `root` is the results folder, which holds the trusted keys.

    The agent, key files and the password are tried in this order; the password goes to the board only, never to a
    jump host. Raises Unreachable, Untrusted, KeyChanged, LoginRefused, TimedOut.
    """
    log_in = partial(_log_in, board, root, password)
    transport = log_in()
    transport.log_in_again = log_in
    return Connection(board, transport)


def _log_in(board: Board, root: Path, password: str | None) -> Transport:
    transport = Transport(board.name, limits.CONNECT_S)
    try:
        hops = resolve_route(board)
        for hop in hops:
            key, status = connect_and_check(transport, hop, root)
            refuse_untrusted(board, hop, key, status, root)
            Authentication(transport.inner, hop, password if hop is hops[-1] else None).run()
        transport.watch()
    except BaseException:
        transport.close()
        raise
    return transport


class Connection:
    """A board that one is logged in to; a context manager. May be used by several threads."""

    def __init__(self, board: Board, transport: Transport) -> None:
        self.board = board
        self._transport = transport

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: bytes | None = None,
        stop: Callable[[], bool] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> CommandResult:
        """Runs a command for at most `limit` seconds; any exit status is an answer, −1 after a signal.

        `stdin` is sent and then ended; None sends nothing and holds it open, for commands that live as long as it.
        `stop` is called every 0.1 s; `on_line` gets each line of either stream; both in the caller's thread. However
        this ends, nothing of the command is left running, unless the connection was lost first. Raises TimedOut,
        Stopped, ConnectionCut, ShellRefusal; WorkError for more than 64 MiB of output.
        """
        return remote_process.run(self._transport, argv, limit=limit, stdin=stdin, stop=stop, on_line=on_line)

    def start(self, argv: Sequence[str], *, limit: float) -> RemoteProcess:
        """Starts a process that stays, for at most `limit` seconds; close it, or use it as a context manager."""
        return RemoteProcess(self._transport, argv, limit=limit)

    def upload(
        self,
        source: Path | bytes,
        remote: str,
        *,
        sha256: str,
        stop: Callable[[], bool] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> bool:
        """Brings a file to the path `remote`, below `folder` unless it is absolute; False when it was there already.

        The file has its name only whole, and with the hash `sha256`. `on_progress` gets the bytes sent and of how
        many. Raises BoardFull, Stopped, ConnectionCut, TimedOut, WorkError; then nothing of the file is left there.
        """
        path = transfer.remote_path(self.folder, remote)
        return transfer.upload(self._transport, source, path, sha256=sha256, stop=stop, on_progress=on_progress)

    @cached_property
    def folder(self) -> str:
        """Our cache folder there, with CACHE_FOLDERS in it, closed to others; made on the first use."""
        argv = ["sh", "-c", _MAKE_CACHE, "sh", *CACHE_FOLDERS]
        result = remote_process.run(
            self._transport, argv, limit=limits.ASK_S, stdin=b"", name="making the cache folder"
        )
        if result.status != 0:
            raise transfer.folder_error(self._transport, "the cache folder", result.out, result.err)
        folder = result.out.partition("\0")[0]
        if not folder.isprintable() or "\ufffd" in folder or not 0 < len(folder) <= _LONGEST_PATH:
            raise WorkError(
                f"the cache folder of {self.board.name}, {quote(folder)}, has an odd name; set XDG_CACHE_HOME"
            )
        return folder

    def close(self) -> None:
        """Closes the connection; twice is fine."""
        self._transport.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
