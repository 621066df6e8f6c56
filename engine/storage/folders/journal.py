"""`results/changes.log`: a line for each change of a job, so that whoever looks need not look at every file. No torch.

It is a hint. A change that is missing in it, as where its writer was killed or may not write here, is found by
`engine.storage.indexing.watch` a little later. Lines are appended at once, each whole; at a certain size the file is
replaced by a new one. Each begins with a name of its own, by which readers know that it is another one.
"""

import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WorkError
from engine.spec.ids import RUN_ID
from engine.storage import atomic, files

NAME = "changes.log"
MOST_BYTES = 1 << 20  # some 40,000 changes; then it begins anew
_HEADER = re.compile(rb"[0-9a-f]{32}\n")
_HEADER_BYTES = 33
_LINE = re.compile(RUN_ID)


@dataclass(frozen=True)
class Position:
    """How far a reader has come in one of the files that the journal was."""

    header: bytes
    offset: int


class Journal:
    """The journal of a results folder. It is written to where it is, and made by `prepare`."""

    def __init__(self, root: Path) -> None:
        self.path = root / NAME

    def prepare(self) -> None:
        """Makes it where there is none, or something else in its place; a folder that lets nobody do so has none."""
        if self.end() is None:
            with suppress(WorkError):  # it is only a hint
                self._begin()

    def note(self, job_id: str) -> None:
        """Says that a job has changed; whoever changed it calls this afterwards, and need not succeed."""
        line = f"{job_id}\n".encode()
        with suppress(OSError, WorkError), files.opened(self.path, os.O_WRONLY | os.O_APPEND) as descriptor:
            os.write(descriptor, line)
            if os.fstat(descriptor).st_size > MOST_BYTES:
                self._begin()

    def end(self) -> Position | None:
        """The position after its last line; None where there is no sound journal."""
        return self.since(None)[0]

    def since(self, position: Position | None) -> tuple[Position | None, frozenset[str] | None]:
        """The position now, and the jobs that changed since another one; None where nobody can tell."""
        try:
            with files.opened(self.path) as descriptor:
                size = os.fstat(descriptor).st_size
                header = os.pread(descriptor, _HEADER_BYTES, 0)
                if not _HEADER.fullmatch(header):
                    return None, None
                if position is None or position.header != header or not position.offset <= size <= 2 * MOST_BYTES:
                    return Position(header, size), None
                told = os.pread(descriptor, size - position.offset, position.offset)
        except OSError:
            return None, None
        whole = told[: told.rfind(b"\n") + 1]
        lines = whole.decode(errors="replace").split("\n")[:-1]
        now = Position(header, position.offset + len(whole))
        return now, frozenset(lines) if all(map(_LINE.fullmatch, lines)) else None

    def _begin(self) -> None:
        with atomic.atomic_write(self.path) as part:
            part.write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
