"""Handlers for the two signals that ask a process to end, for as long as it minds them."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ASKING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """SIGTERM and SIGINT call `handler` inside, and do what they did before again after. Main thread only."""
    before = [signal.signal(number, handler) for number in _ASKING]
    try:
        yield
    finally:
        for number, old in zip(_ASKING, before, strict=True):
            signal.signal(number, old)
