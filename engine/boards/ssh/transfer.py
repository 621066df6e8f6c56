"""Files to a board: written beside their place, compared by SHA-256, then renamed; a file that is there is not sent.

They go through the standard input of a command: so they arrive where there is no SFTP, or where a login script that
prints would break it.
"""

import hashlib
import io
import os
import posixpath
import re
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from engine.boards.shell.room import MEASURE, Room, full, is_full, read, refuse_full
from engine.boards.ssh import limits
from engine.boards.ssh.errors import Stopped, TimedOut
from engine.boards.ssh.process import Process
from engine.boards.ssh.remote_process import run
from engine.boards.ssh.transport import WIRE_ERRORS, Transport
from engine.errors import RequestError, WorkError
from engine.spec.messages import quote
from engine.storage import files
from engine.texts import last_line

_CHUNK = 32768  # an SSH packet

# Says `there` when the file is there with that hash, as used now; else how much room there is for it.
_PREPARE = (
    MEASURE
    + """
umask 077
mkdir -p -- "$2" || { room "$2"; exit 1; }
if [ -d "$1" ]; then echo "$1 is a folder" >&2; exit 1; fi
if [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -c1-64)" = "$3" ]; then touch -c -- "$1"; echo there; exit 0; fi
room "$2"
"""
)
# A part that is not whole goes at once: so a connection that is cut leaves none.
_RECEIVE = (
    MEASURE
    + """
umask 077
give_up() { rm -f -- "$part"; room "$folder"; exit 1; }
part=$1 folder=$2
trap '' PIPE
trap give_up HUP INT TERM
set -C
cat >"$part" || give_up
came=$(wc -c <"$part")
[ "$came" -eq "$3" ] || { echo "only $came of its $3 bytes arrived" >&2; give_up; }
"""
)
_NAME = """
export LC_ALL=C
if [ "$(sha256sum <"$1" | cut -c1-64)" != "$3" ]; then echo damaged; exit 0; fi
mv -f -- "$1" "$2" && echo named
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

    On any failure or stop the part file is removed. Raises BoardFull, Stopped, ConnectionCut, TimedOut, ShellRefusal,
    and WorkError when what arrived does not have the hash `sha256`.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise RequestError(f"{quote(sha256)} is no SHA-256: 64 digits of 0-9 and a-f")
    name = posixpath.basename(path)
    with _open(source) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        room = _prepare(transport, path, sha256, stop)
        if room is None:
            return False
        refuse_full(transport.label, name, size, room)
        part = f"{path}.{os.getpid()}-{secrets.token_hex(4)}.part"
        sender = _Sender(transport, file, part, size)
        try:
            _watch(sender, name, size, stop, on_progress)
            _compare(transport, sender, name, sha256)
            _rename(transport, part, path, sha256)
        except BaseException:
            _remove(transport, sender)
            raise
    return True


class _Sender(threading.Thread):
    """Writes one file to a command's input, in a thread of its own, so that its caller never waits for it."""

    def __init__(self, transport: Transport, file: BinaryIO, part: str, size: int) -> None:
        super().__init__(daemon=True, name="ssh-upload")
        self.file, self.part = file, part
        argv = ["sh", "-c", _RECEIVE, "sh", part, posixpath.dirname(part), str(size)]
        self.process = Process(transport, argv, limit=limits.SEND_S, stdin=None, name="receiving a file")
        self.stopping = threading.Event()
        self.sent = 0
        self.sha256 = hashlib.sha256()
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            self.process.wait_for_start()
            while not self.stopping.is_set() and (piece := _read_chunk(self.file)):
                self.process.write(piece)
                self.sha256.update(piece)
                self.sent += len(piece)
            self.process.close_stdin()
            while not self.stopping.is_set() and not self.process.over():
                self.process.check()
                self.process.wait(limits.POLL_S)
            self.process.check()
        except (*WIRE_ERRORS, WorkError) as error:
            self.fault = error


def _watch(sender: _Sender, name: str, size: int, stop: Stop | None, on_progress: Progress | None) -> None:
    """Waits until everything is written; reports the progress and checks `stop` in the caller's thread."""
    process, reported, moved = sender.process, -1, time.monotonic()
    label = process.transport.label
    sender.start()
    while sender.is_alive():
        sender.join(limits.POLL_S)
        if stop is not None and stop():
            raise Stopped(f"sending {name} to {label} was stopped")
        if sender.sent != reported:
            reported, moved = sender.sent, time.monotonic()
            if on_progress is not None:
                on_progress(reported, size)
        elif time.monotonic() - moved > limits.STALL_S:
            process.transport.check()
            raise TimedOut(f"{label} took nothing more of {name} for {limits.STALL_S:g} s; try again")
    if on_progress is not None and sender.fault is None and sender.sent != reported:
        on_progress(sender.sent, size)
    _raise_fault(sender, name, size)


def _raise_fault(sender: _Sender, name: str, size: int) -> None:
    """Raises why a file did not arrive, if it did not."""
    process, fault = sender.process, sender.fault
    transport = process.transport
    end = time.monotonic() + 1.0
    while fault is not None and not process.over() and not transport.lost() and time.monotonic() < end:
        process.wait(0.02)  # the board's own words come a moment later than the end of what reads
    if process.status not in (None, 0) and process.pid is not None:
        process.check()
        if is_full(process.err.text):
            raise full(transport.label, name, size, read(process.out.text), process.err.text)
        raise WorkError(f"{transport.label} did not take {name}: {_reason_in(process.err.text)}")
    if isinstance(fault, WorkError):
        raise fault
    if fault is not None:
        with transport.translated_errors(f"send {name}"):
            raise fault


def _prepare(transport: Transport, path: str, sha256: str, stop: Stop | None) -> Room | None:
    """Makes the folder of `path`; None when the file is there as it should be, else the room that there is for it."""
    argv = ["sh", "-c", _PREPARE, "sh", path, posixpath.dirname(path), sha256]
    name = posixpath.basename(path)
    result = run(transport, argv, limit=limits.HASH_S, stdin=b"", stop=stop, name=f"looking for {name}")
    if result.out.startswith("there\n"):
        return None
    if result.status != 0:
        raise folder_error(transport, name, result.out, result.err)
    return read(result.out)


def _compare(transport: Transport, sender: _Sender, name: str, sha256: str) -> None:
    if sender.sha256.hexdigest() != sha256:
        raise WorkError(
            f"{name} was not sent to {transport.label}: it is not the file with the hash {sha256[:12]}… any more"
        )


def _rename(transport: Transport, part: str, path: str, sha256: str) -> None:
    """Renames a part that has the hash; WorkError for one that has not."""
    name = posixpath.basename(path)
    argv = ["sh", "-c", _NAME, "sh", part, path, sha256]
    result = run(transport, argv, limit=limits.HASH_S, stdin=b"", name=f"comparing {name}")
    if result.out.startswith("damaged\n"):
        raise WorkError(f"{name} arrived damaged on {transport.label}; try again, and check the board's disk")
    if not result.out.startswith("named\n"):
        raise WorkError(f"{name} cannot be named on {transport.label}: {_reason_in(result.err)}")


def _remove(transport: Transport, sender: _Sender) -> None:
    """Takes the part file away, as far as the connection allows: its writer must end first."""
    sender.stopping.set()
    sender.process.end()
    if transport.lost():
        return
    transport.run_within(
        "remove a part file",
        lambda: run(transport, ["rm", "-f", "--", sender.part], limit=limits.ASK_S, stdin=b"", name="tidying up"),
        limits.CLEANUP_S,
    )


def folder_error(transport: Transport, name: str, out: str, err: str) -> WorkError:
    """Why no folder can be made for something, from what a command there printed."""
    if is_full(err):
        return full(transport.label, name, 0, read(out), err)
    return WorkError(f"{name} has no place on {transport.label}: {_reason_in(err)}")


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
