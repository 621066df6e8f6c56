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

from engine.boards.sanitize import last_line
from engine.boards.ssh import limits
from engine.boards.ssh.errors import BoardFull, Stopped
from engine.boards.ssh.remote_process import run
from engine.boards.ssh.transport import WIRE_ERRORS, Link, reason
from engine.errors import RequestError, WorkError
from engine.spec.messages import quote
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
_WHY = """
head -c 65536 /dev/zero >>"$1"
rm -f -- "$1"
stat -f -c '%a %S' -- "$2"
"""

Stop = Callable[[], bool]
Progress = Callable[[int, int], None]


def place(folder: str, remote: str) -> str:
    """The absolute path of `remote`, which is below `folder` unless it is absolute itself; RequestError for no path."""
    odd = not remote.isprintable() or ".." in remote.split("/") or remote.endswith("/") or not remote
    if odd or any(0xD800 <= ord(letter) <= 0xDFFF for letter in remote):
        raise RequestError(
            f"{quote(remote)} is no path for a file on a board: .. and control characters are not allowed"
        )
    return posixpath.join(folder, remote)


def upload(
    link: Link, source: Path | bytes, path: str, *, sha256: str, stop: Stop | None, on_progress: Progress | None
) -> bool:
    """Brings `source` to the absolute `path` on the board; False when it is there already.

    On any failure or stop the part file is removed, if the connection still lives. Raises BoardFull, Stopped,
    ConnectionCut, TimedOut, and WorkError when what arrived does not have the hash `sha256`.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise RequestError(f"{quote(sha256)} is no SHA-256: 64 digits of 0-9 and a-f")
    name = posixpath.basename(path)
    with _opened(source) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        free = _prepare(link, path, sha256, stop)
        if free is None:
            return False
        if free < size:
            raise _full(link, name, size, free)
        part = f"{path}.{os.getpid()}-{secrets.token_hex(4)}.part"
        sender = _Sender(link, file, part)
        try:
            _watch(sender, name, size, stop, on_progress)
            _compare(link, sender, name, sha256, stop)
            with link.failing(f"give {name} its name"):
                sender.sftp.posix_rename(part, path)
        except BaseException:
            _remove(link, sender)
            raise
        finally:
            sender.close()
    return True


class _Sender(threading.Thread):
    """Writes one file over SFTP in pipelined pieces, in a thread of its own, so that its caller never waits for it."""

    def __init__(self, link: Link, file: BinaryIO, part: str) -> None:
        super().__init__(daemon=True, name="ssh-upload")
        self.link, self.file, self.part = link, file, part
        self.stopping = threading.Event()
        self.sent = 0
        self.sha256 = hashlib.sha256()
        self.sftp: Any = None
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            self.sftp = paramiko.SFTPClient.from_transport(self.link.transport)
            self.sftp.get_channel().settimeout(limits.STALL_S)
            with self.sftp.open(self.part, "wx") as remote:
                remote.set_pipelined(True)
                while not self.stopping.is_set() and (piece := _piece(self.file)):
                    remote.write(piece)
                    self.sha256.update(piece)
                    self.sent += len(piece)
        except (*WIRE_ERRORS, paramiko.SFTPError, WorkError) as error:
            self.fault = error

    def close(self) -> None:
        if self.sftp is not None and not self.link.lost():
            self.link.bounded("end the transfer", self.sftp.close, limits.CLEANUP_S)


def _watch(sender: _Sender, name: str, size: int, stop: Stop | None, on_progress: Progress | None) -> None:
    """Until everything is written; tells the progress and looks at `stop` in the caller's thread."""
    link, told = sender.link, -1
    sender.start()
    while sender.is_alive():
        sender.join(limits.POLL_S)
        if stop is not None and stop():
            raise Stopped(f"sending {name} to {link.label} was stopped")
        if on_progress is not None and sender.sent != told:
            told = sender.sent
            on_progress(told, size)
    fault = sender.fault
    if on_progress is not None and fault is None and sender.sent != told:
        on_progress(sender.sent, size)
    if isinstance(fault, WorkError):
        raise fault
    if fault is not None and sender.sftp is None and not link.lost():
        link.settle()
        link.check()
        raise WorkError(f"{link.label} offers no SFTP ({reason(fault)}); its sshd_config needs `Subsystem sftp`")
    if isinstance(fault, OSError) and not isinstance(fault, TimeoutError) and not link.lost():
        link.settle()
        link.check()
        raise _refused(link, sender, name, size, fault)
    if fault is not None:
        with link.failing(f"send {name}"):
            raise fault


def _prepare(link: Link, path: str, sha256: str, stop: Stop | None) -> int | None:
    """Makes the folder of `path`; None when the file is there as it should be, else the bytes free for it."""
    argv = ["sh", "-c", _PREPARE, "sh", path, posixpath.dirname(path), sha256]
    name = posixpath.basename(path)
    answer = run(link, argv, limit=limits.HASH_S, stdin=b"", stop=stop, name=f"looking for {name}")
    if answer.out == "there\n":
        return None
    if answer.status != 0:
        raise no_place(link, name, answer.err)
    return _free(answer.out)


def _compare(link: Link, sender: _Sender, name: str, sha256: str, stop: Stop | None) -> None:
    if sender.sha256.hexdigest() != sha256:
        raise WorkError(
            f"{name} was not sent to {link.label}: it is not the file with the hash {sha256[:12]}… any more"
        )
    argv = ["sha256sum", "--", sender.part]
    answer = run(link, argv, limit=limits.HASH_S, stdin=b"", stop=stop, name=f"comparing {name}")
    if answer.status != 0:
        raise WorkError(f"{name} cannot be compared on {link.label}: {_last(answer.err)}")
    if answer.out.lstrip("\\")[:64] != sha256:  # sha256sum puts a backslash before a line with an odd name
        raise WorkError(f"{name} arrived damaged on {link.label}; try again, and check the board's disk")


def _remove(link: Link, sender: _Sender) -> None:
    """Takes the part file away, as far as the link lets us: first the writer must be gone."""
    sender.stopping.set()
    if sender.ident is None or link.lost():
        return
    if not link.bounded("end the transfer", sender.join, limits.CLEANUP_S) or link.lost():
        return
    link.bounded(
        "remove a part file",
        lambda: run(link, ["rm", "-f", "--", sender.part], limit=limits.ASK_S, stdin=b"", name="tidying up"),
        limits.CLEANUP_S,
    )


def _refused(link: Link, sender: _Sender, name: str, size: int, fault: OSError) -> WorkError:
    """Why the board took no more of a file."""
    argv = ["env", "LC_ALL=C", "sh", "-c", _WHY, "sh", sender.part, posixpath.dirname(sender.part)]
    answer = run(link, argv, limit=limits.ASK_S, stdin=b"", name=f"asking why {name} was refused")
    if _no_room(answer.err):
        return _full(link, name, size, _free(answer.out))
    return WorkError(f"{link.label} did not take {name}: {_last(answer.err) if answer.err.strip() else reason(fault)}")


def no_place(link: Link, name: str, err: str) -> WorkError:
    """Why no folder can be made for something, from what a command there said."""
    if _no_room(err):
        return _full(link, name, 0, 0)
    return WorkError(f"{name} has no place on {link.label}: {_last(err)}")


def _full(link: Link, name: str, needed: int, free: int) -> BoardFull:
    return BoardFull(
        f"{link.label} has no room for {name}: it needs {si(needed, 'B')}, and {si(free, 'B')} are free; "
        "free some space there (or raise your quota) and try again",
        needed=needed,
        free=free,
    )


def _no_room(err: str) -> bool:
    return "No space left" in err or "quota exceeded" in err


def _free(out: str) -> int:
    blocks, size = out.split()[-2:]
    return int(blocks) * int(size)


def _last(err: str) -> str:
    return last_line(err, 200) or "it does not say why"


def _opened(source: Path | bytes) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except OSError as error:
        raise WorkError(f"cannot read {source}: {error.strerror or error}") from None


def _piece(file: BinaryIO) -> bytes:
    try:
        return file.read(_CHUNK)
    except OSError as error:
        raise WorkError(f"the file to send cannot be read: {error.strerror or error}") from None
