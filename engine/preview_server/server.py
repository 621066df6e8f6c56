"""The process itself: `python -m engine.preview_server.server DESCRIPTOR SOCKET IDLE_SECONDS [--bound]`.

Started by a client, it listens on a socket that this has opened, answers one preview at a time, and ends when nobody
has asked for a while; with `--bound` also when its parent has ended, who holds the other end of its standard input.
"""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from engine.errors import RequestError, WorkError
from engine.exit import leave
from engine.pipeline.preview.answer import Preview
from engine.pipeline.preview.request import PreviewRequest
from engine.preview_server import place, wire
from engine.preview_server.inbox import Ask, Inbox


class Previewer(Protocol):
    """What the answers come from: that of `engine.pipeline.preview.work`."""

    def answer(self, request: PreviewRequest, listener: Callable[[str], None]) -> Preview: ...

    def forget(self) -> None: ...


class _Dropped(BaseException):
    """Nobody waits for the answer any more. No Exception, which a network's own code may catch."""


def serve(inbox: Inbox, path: Path, idle_seconds: float, previewer: Previewer) -> None:
    """Answer asks until none has come in for so long; the socket is gone then."""
    while True:
        ask = inbox.take(idle_seconds)
        if ask is not None:
            _answer(ask, previewer)
            continue
        with place.locked():
            if inbox.close():
                path.unlink(missing_ok=True)
                return


def _answer(ask: Ask, previewer: Previewer) -> None:
    last: list[str] = []

    def listener(stage: str) -> None:
        if ask.is_dropped.is_set():
            raise _Dropped
        if last != [stage]:
            last[:] = [stage]
            ask.reply({"stage": stage})

    try:
        document = _document(ask, previewer, listener)
    except _Dropped:
        return
    except (RequestError, WorkError) as error:
        document = wire.error_document(error)
    except MemoryError:
        previewer.forget()
        document = wire.error_document(WorkError("the machine ran out of memory; take fewer images"))
    except Exception as error:
        previewer.forget()  # whatever state it is in
        document = wire.error_document(WorkError(_bug(error)))
    if not ask.is_dropped.is_set():
        ask.reply(document)


def _document(ask: Ask, previewer: Previewer, listener: Callable[[str], None]) -> dict[str, Any]:
    return {"answer": previewer.answer(PreviewRequest.from_json(ask.request), listener).to_json()}


def _bug(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    kind, where = type(error).__name__, f"{Path(last.filename).name}:{last.lineno}"
    return f"the preview stopped on an unexpected {kind} in {where}: {error}"


def _with_torch() -> Previewer:
    """Imported here, as that takes seconds, in which asks come in already."""
    from engine.pipeline.preview import work

    return work.Previewer()


def main(arguments: list[str], make_previewer: Callable[[], Previewer] = _with_torch) -> int:
    """The exit status: 0 when it ended because nobody asked any more."""
    descriptor, path, idle_seconds = int(arguments[0]), Path(arguments[1]), float(arguments[2])
    listening = socket.socket(fileno=descriptor)

    def end() -> None:
        path.unlink(missing_ok=True)
        os._exit(0)  # the main thread may be in the middle of something long

    inbox = Inbox(listening, end if "--bound" in arguments else None)
    serve(inbox, path, idle_seconds, make_previewer())
    return 0


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
