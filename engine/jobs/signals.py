"""Handlers for the signals that ask a process to end, for as long as it minds them."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def handle_signals(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP call `handler` inside, and do what they did before again after. Main thread only.

    One that the process was started to ignore, as by nohup, stays ignored.
    """
    minded = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    handlers = [signal.signal(number, handler) for number in minded]
    try:
        yield
    finally:
        for number, previous in zip(minded, handlers, strict=True):
            signal.signal(number, previous)
