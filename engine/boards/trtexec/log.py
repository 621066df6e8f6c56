"""trtexec's log line by line: when, how bad, what. Pure."""

import re
from typing import NamedTuple

from engine.texts import printable

_STAMP = re.compile(r"^ *(?:\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] *)+")
_LEVEL = re.compile(r"^(?:\[TRT\] )?\[([FEWIV])\] ?")
_LONGEST = 4096  # characters of a line; trtexec's own are shorter


class Message(NamedTuple):
    """A line without its time; `level` is F, E, W, I or V, and None for lines that are no message of their own."""

    level: str | None
    text: str


def read_messages(stream: str) -> list[Message]:
    """The lines of one stream that are not empty, without what no screen can show, and without blanks at their ends.

    7.1 writes the time of a message on standard error to standard output, where several times can stand before one
    message, and none stands on standard error.
    """
    messages = []
    for whole in stream.splitlines():
        line = whole[:_LONGEST]
        line = (line if line.isprintable() else printable(line, len(line))).rstrip()
        if not line:
            continue
        text = _STAMP.sub("", line)
        level = _LEVEL.match(text)
        messages.append(Message(level.group(1), text[level.end() :]) if level else Message(None, text))
    return messages
