"""The asks that a warm process has before it: first come, first served; whoever asks anew drops what he asked before.

No torch.
"""

import os
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.preview_server import wire

MOST_CONNECTIONS = 64
_SEND_SECONDS = 5.0  # for a line to be taken by whoever asked


@dataclass(eq=False)
class Ask:
    """A request as it came in; `is_dropped` once nobody waits for the answer any more."""

    connection: socket.socket
    request: Any
    is_dropped: threading.Event = field(default_factory=threading.Event)

    def reply(self, document: dict[str, Any]) -> None:
        """One line to whoever asked; an ask is dropped where that is gone."""
        try:
            wire.send(self.connection, document)
        except (OSError, ValueError):
            self.is_dropped.set()


class Inbox:
    """Takes asks in from a listening socket in a thread of its own, while the main thread works on one."""

    def __init__(self, listening: socket.socket, on_orphaned: Callable[[], None] | None = None) -> None:
        """`on_orphaned` is called when the parent, who holds the other end of standard input, has ended."""
        self._listening, self._on_orphaned = listening, on_orphaned
        self._condition = threading.Condition()
        self._waiting: list[Ask] = []
        self._current: Ask | None = None
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(listening, selectors.EVENT_READ)
        if on_orphaned is not None:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._lines: dict[socket.socket, wire.Lines] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def take(self, seconds: float) -> Ask | None:
        """The next ask; None when none came in for so long."""
        with self._condition:
            self._current = None
            self._condition.wait_for(lambda: bool(self._waiting), seconds)
            self._current = self._waiting.pop(0) if self._waiting else None
            return self._current

    def close(self) -> bool:
        """Take no more asks; False, and nothing done, when one is there."""
        with self._condition:
            if self._waiting or self._is_pending():
                return False
            self._closed = True
            return True

    def _is_pending(self) -> bool:
        """Whether somebody knocks."""
        with selectors.DefaultSelector() as look:
            look.register(self._listening, selectors.EVENT_READ)
            return bool(look.select(0))

    def _listen(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listening:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
                elif self._on_orphaned is not None and not os.read(key.fd, 1024):
                    self._on_orphaned()

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return  # gone in between
        connection.settimeout(_SEND_SECONDS)
        if len(self._lines) >= MOST_CONNECTIONS or not _is_own(connection):
            connection.close()
            return
        self._lines[connection] = wire.Lines()
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 16)
            requests = self._lines[connection].feed(data)
        except (OSError, ValueError):
            data, requests = b"", []
        if not data:
            self._leave(connection)
        for request in requests:
            self._put(Ask(connection, request))

    def _leave(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._lines[connection]
        with self._condition:
            self._drop_of(connection)
        connection.close()

    def _put(self, ask: Ask) -> None:
        """The newest ask of a connection is the one that counts."""
        with self._condition:
            if self._closed:
                return
            self._drop_of(ask.connection)
            ask.reply({"taken": True})
            self._waiting.append(ask)
            self._condition.notify()

    def _drop_of(self, connection: socket.socket) -> None:
        for ask in [*self._waiting, *([self._current] if self._current else [])]:
            if ask.connection is connection:
                ask.is_dropped.set()
        self._waiting = [ask for ask in self._waiting if ask.connection is not connection]


def _is_own(connection: socket.socket) -> bool:
    """Whether this user asks, as far as the system tells; the folder of the socket lets nobody else in anyway."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return bool(user == os.geteuid())
