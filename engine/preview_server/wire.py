"""What goes over the socket: JSON lines, bounded, one ask at a time. No torch.

To the warm process: a preview's request. From it, for each ask: `taken`, then any number of `stage` (what is going on),
then one of `answer` and `error`.
"""

import json
import socket
from typing import Any

from engine.errors import RequestError, WorkError

MOST_BYTES = 4 << 20  # of a line


class Lines:
    """The lines that come in on a socket, put together from what is there."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Any]:
        """The objects that are complete with `data`; ValueError for a line that is none, or too long."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MOST_BYTES or any(len(line) > MOST_BYTES for line in lines):
            raise ValueError(f"a line of more than {MOST_BYTES:,} bytes")
        try:
            return [json.loads(line) for line in lines]
        except RecursionError:
            raise ValueError("a line that is nested too deeply") from None


def send(connection: socket.socket, document: dict[str, Any]) -> None:
    """One line; OSError when the other end is gone or takes nothing."""
    connection.sendall(json.dumps(document, allow_nan=False).encode() + b"\n")


def error_document(error: RequestError | WorkError) -> dict[str, Any]:
    """An error as the other end raises it again."""
    kind = "request" if isinstance(error, RequestError) else "work"
    return {"error": {"kind": kind, "sentence": str(error), "field": getattr(error, "field", None)}}


def error_in(document: Any) -> RequestError | WorkError:
    """The error in such a document."""
    if isinstance(document, dict) and document.get("kind") == "request":
        return RequestError(str(document.get("sentence")), field=document.get("field"))
    return WorkError(str(document.get("sentence") if isinstance(document, dict) else document))
