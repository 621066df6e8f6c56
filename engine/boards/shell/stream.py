"""A stream of a command on a board: what came before our start line, and the output after it."""

import re

from engine.boards.ssh import limits


class Stream:
    """What a command has printed on one of its two streams: bytes come in, lines go out.

    Until the line `TOKEN MARK` has come, a login script prints, not the command: that is kept in `greeting`. `marks` is
    a pattern of the marks that this stream may bring: a shell that joins the streams brings those of both on one.
    """

    def __init__(self, token: str, marks: str) -> None:
        self.over = False
        self.overflowed = False
        self.mark: bytes | None = None
        self._start = re.compile(f"{token} ({marks})\r?\n".encode())
        self._greeting = bytearray()
        self._data = bytearray()
        self._read_position = 0

    def add(self, data: bytes) -> None:
        if self.mark is None:
            data = self._behind_start(data)
        if len(self._data) + len(data) > limits.OUTPUT_BYTES:
            self.overflowed = True
        else:
            self._data += data

    @property
    def greeting(self) -> str:
        """What came before the start line."""
        return bytes(self._greeting).decode(errors="replace")

    @property
    def text(self) -> str:
        """All of the output; bytes that are no UTF-8 become U+FFFD."""
        return bytes(self._data).decode(errors="replace")

    def line(self) -> str | None:
        """The next line with its newline, if it has one; None when none is there yet, "" after the last."""
        over = self.over  # before looking: what comes in between is for the next call
        end = self._data.find(b"\n", self._read_position) + 1
        if end == 0 and not over:
            return None
        line = bytes(self._data[self._read_position : end or len(self._data)])
        self._read_position += len(line)
        return line.decode(errors="replace")

    def _behind_start(self, data: bytes) -> bytes:
        """What of these bytes is output."""
        searched = max(0, len(self._greeting) - 100)  # longer than a start line
        self._greeting += data
        match = self._start.search(self._greeting, searched)
        if match is None:
            if len(self._greeting) > limits.GREETING_BYTES:
                self.overflowed = True
                self._greeting.clear()
            return b""
        mark, rest = bytes(match[1]), bytes(self._greeting[match.end() :])
        del self._greeting[match.start() :]
        self.mark = mark
        return rest
