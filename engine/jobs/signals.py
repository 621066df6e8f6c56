"""Handlers for the two signals that ask a process to end, for as long as it minds them."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handle_signals(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """SIGTERM and SIGINT call `handler` inside, and do what they did before again after. Main thread only."""
    handlers = [signal.signal(number, handler) for number in _STOP_SIGNALS]
    try:
        yield
    finally:
        for number, previous in zip(_STOP_SIGNALS, handlers, strict=True):
            signal.signal(number, previous)
