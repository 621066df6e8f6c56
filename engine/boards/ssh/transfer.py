"""Files to a board: sent beside their place, compared by SHA-256, then renamed; a file that is there is not sent."""

import hashlib
import io
import os
import posixpath
import re
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import paramiko

from engine.boards.ssh import limits
from engine.boards.ssh.errors import BoardFull, Stopped
from engine.boards.ssh.remote_process import run
from engine.boards.ssh.transport import WIRE_ERRORS, Transport, reason
from engine.errors import RequestError, WorkError
from engine.spec.messages import quote
from engine.storage import files
from engine.texts import last_line
from engine.units import si

_CHUNK = 32768  # the most that SFTP servers take at once

# Says `there` when the file is there with that hash, as used now; else how many bytes are free for it.
_PREPARE = """
umask 077
mkdir -p -- "$2" || exit 1
if [ -d "$1" ]; then echo "$1 is a folder" >&2; exit 1; fi
if [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -c1-64)" = "$3" ]; then touch -c -- "$1"; echo there; exit 0; fi
stat -f -c '%a %S' -- "$2"
"""
# SFTP says "Failure" for a full disk, a quota and a broken one alike; the shell says which.
_DIAGNOSE = """
head -c 65536 /dev/zero >>"$1"
rm -f -- "$1"
stat -f -c '%a %S' -- "$2"
"""

Stop = Callable[[], bool]
Progress = Callable[[int, int], None]


def remote_path(folder: str, remote: str) -> str:
    """The absolute path of `remote`, which is below `folder` unless it is absolute itself; RequestError for no path."""
    odd = not remote.isprintable() or ".." in remote.split("/") or remote.endswith("/") or not remote
    if odd or any(0xD800 <= ord(letter) <= 0xDFFF for letter in remote):
        raise RequestError(
            f"{quote(remote)} is no path for a file on a board: .. and control characters are not allowed"
        )
    return posixpath.join(folder, remote)


def upload(
    transport: Transport,
    source: Path | bytes,
    path: str,
    *,
    sha256: str,
    stop: Stop | None,
    on_progress: Progress | None,
) -> bool:
    """Brings `source` to the absolute `path` on the board; False when it is there already.

    On any failure or stop the part file is removed, if the connection still lives. Raises BoardFull, Stopped,
    ConnectionCut, TimedOut, and WorkError when what arrived does not have the hash `sha256`.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise RequestError(f"{quote(sha256)} is no SHA-256: 64 digits of 0-9 and a-f")
    name = posixpath.basename(path)
    with _open(source) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        free = _prepare(transport, path, sha256, stop)
        if free is None:
            return False
        if free < size:
            raise _board_full(transport, name, size, free)
        part = f"{path}.{os.getpid()}-{secrets.token_hex(4)}.part"
        sender = _Sender(transport, file, part)
        try:
            _watch(sender, name, size, stop, on_progress)
            _compare(transport, sender, name, sha256, stop)
            with transport.translated_errors(f"give {name} its name"):
                sender.sftp.posix_rename(part, path)
        except BaseException:
            _remove(transport, sender)
            raise
        finally:
            sender.close()
    return True


class _Sender(threading.Thread):
    """Writes one file over SFTP in pipelined pieces, in a thread of its own, so that its caller never waits for it."""

    def __init__(self, transport: Transport, file: BinaryIO, part: str) -> None:
        super().__init__(daemon=True, name="ssh-upload")
        self.transport, self.file, self.part = transport, file, part
        self.stopping = threading.Event()
        self.sent = 0
        self.sha256 = hashlib.sha256()
        self.sftp: Any = None
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            self.sftp = paramiko.SFTPClient.from_transport(self.transport.inner)
            self.sftp.get_channel().settimeout(limits.STALL_S)
            with self.sftp.open(self.part, "wx") as remote:
                remote.set_pipelined(True)
                while not self.stopping.is_set() and (piece := _read_chunk(self.file)):
                    remote.write(piece)
                    self.sha256.update(piece)
                    self.sent += len(piece)
        except (*WIRE_ERRORS, paramiko.SFTPError, WorkError) as error:
            self.fault = error

    def close(self) -> None:
        if self.sftp is not None and not self.transport.lost():
            self.transport.run_within("end the transfer", self.sftp.close, limits.CLEANUP_S)


def _watch(sender: _Sender, name: str, size: int, stop: Stop | None, on_progress: Progress | None) -> None:
    """Waits until everything is written; reports the progress and checks `stop` in the caller's thread."""
    transport, reported = sender.transport, -1
    sender.start()
    while sender.is_alive():
        sender.join(limits.POLL_S)
        if stop is not None and stop():
            raise Stopped(f"sending {name} to {transport.label} was stopped")
        if on_progress is not None and sender.sent != reported:
            reported = sender.sent
            on_progress(reported, size)
    fault = sender.fault
    if on_progress is not None and fault is None and sender.sent != reported:
        on_progress(sender.sent, size)
    if isinstance(fault, WorkError):
        raise fault
    if fault is not None and sender.sftp is None and not transport.lost():
        transport.wait_until_closed()
        transport.check()
        raise WorkError(f"{transport.label} offers no SFTP ({reason(fault)}); its sshd_config needs `Subsystem sftp`")
    if isinstance(fault, OSError) and not isinstance(fault, TimeoutError) and not transport.lost():
        transport.wait_until_closed()
        transport.check()
        raise _explain_refusal(transport, sender, name, size, fault)
    if fault is not None:
        with transport.translated_errors(f"send {name}"):
            raise fault


def _prepare(transport: Transport, path: str, sha256: str, stop: Stop | None) -> int | None:
    """Makes the folder of `path`; None when the file is there as it should be, else the bytes free for it."""
    argv = ["sh", "-c", _PREPARE, "sh", path, posixpath.dirname(path), sha256]
    name = posixpath.basename(path)
    result = run(transport, argv, limit=limits.HASH_S, stdin=b"", stop=stop, name=f"looking for {name}")
    if result.out == "there\n":
        return None
    if result.status != 0:
        raise folder_error(transport, name, result.err)
    return _free(result.out)


def _compare(transport: Transport, sender: _Sender, name: str, sha256: str, stop: Stop | None) -> None:
    if sender.sha256.hexdigest() != sha256:
        raise WorkError(
            f"{name} was not sent to {transport.label}: it is not the file with the hash {sha256[:12]}… any more"
        )
    argv = ["sha256sum", "--", sender.part]
    result = run(transport, argv, limit=limits.HASH_S, stdin=b"", stop=stop, name=f"comparing {name}")
    if result.status != 0:
        raise WorkError(f"{name} cannot be compared on {transport.label}: {_reason_in(result.err)}")
    if result.out.lstrip("\\")[:64] != sha256:  # sha256sum puts a backslash before a line with an odd name
        raise WorkError(f"{name} arrived damaged on {transport.label}; try again, and check the board's disk")


def _remove(transport: Transport, sender: _Sender) -> None:
    """Takes the part file away, as far as the connection allows: the writer must end first."""
    sender.stopping.set()
    if sender.ident is None or transport.lost():
        return
    if not transport.run_within("end the transfer", sender.join, limits.CLEANUP_S) or transport.lost():
        return
    transport.run_within(
        "remove a part file",
        lambda: run(transport, ["rm", "-f", "--", sender.part], limit=limits.ASK_S, stdin=b"", name="tidying up"),
        limits.CLEANUP_S,
    )


def _explain_refusal(transport: Transport, sender: _Sender, name: str, size: int, fault: OSError) -> WorkError:
    """Why the board took no more of a file."""
    argv = ["env", "LC_ALL=C", "sh", "-c", _DIAGNOSE, "sh", sender.part, posixpath.dirname(sender.part)]
    result = run(transport, argv, limit=limits.ASK_S, stdin=b"", name=f"asking why {name} was refused")
    if _no_room(result.err):
        return _board_full(transport, name, size, _free(result.out))
    return WorkError(
        f"{transport.label} did not take {name}: {_reason_in(result.err) if result.err.strip() else reason(fault)}"
    )


def folder_error(transport: Transport, name: str, err: str) -> WorkError:
    """Why no folder can be made for something, from what a command there said."""
    if _no_room(err):
        return _board_full(transport, name, 0, 0)
    return WorkError(f"{name} has no place on {transport.label}: {_reason_in(err)}")


def _board_full(transport: Transport, name: str, needed: int, free: int) -> BoardFull:
    return BoardFull(
        f"{transport.label} has no room for {name}: it needs {si(needed, 'B')}, and {si(free, 'B')} are free; "
        "free some space there (or raise your quota) and try again",
        needed=needed,
        free=free,
    )


def _no_room(err: str) -> bool:
    return "No space left" in err or "quota exceeded" in err


def _free(out: str) -> int:
    """The bytes free on a board's disk, from the blocks and their size that `stat` prints; WorkError without these."""
    numbers = re.search(r"(?:^|\s)([0-9]{1,18})\s+([0-9]{1,9})\s*$", out[-200:])
    if numbers is None:
        raise WorkError(
            f"the board did not say how much room its disk has: {last_line(out, 200) or 'it printed nothing'}; "
            "its `stat -f` must work"
        )
    return int(numbers[1]) * int(numbers[2])


def _reason_in(err: str) -> str:
    return last_line(err, 200) or "it does not say why"


def _open(source: Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        with files.opened(source, links=True) as descriptor:
            return os.fdopen(os.dup(descriptor), "rb")
    except OSError as error:
        raise WorkError(f"cannot read {source}: {error.strerror or error}") from None


def _read_chunk(file: BinaryIO) -> bytes:
    try:
        return file.read(_CHUNK)
    except OSError as error:
        raise WorkError(f"the file to send cannot be read: {error.strerror or error}") from None
