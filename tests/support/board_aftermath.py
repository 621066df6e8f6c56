"""What a timing that failed must have left: one sentence, nothing on the board, and a second try that works."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from engine.boards.registry import Registry, parse
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.storage.timings.job import Timing
from tests.support.board_rig import NAME, Rig
from tests.support.storm import cleaned

Rigs = Callable[..., Rig]


def failed(made: Timing) -> str:
    """The sentence a failed timing shows; it is one line, and nothing that looks like a traceback."""
    status = made.status()
    assert status.state == "failed", status
    assert "\n" not in status.error and "Traceback" not in status.error and len(status.error) < 600
    return str(status.error)


def assert_nothing_lost_and_works_again(here: Rig, measured: int = 0) -> None:
    """Nothing half-written anywhere, the lock is free, and the same request goes through now."""
    assert here.settled() == [] and len(here.measured()) == measured
    again = here.timed(wait=0)
    assert again.status().state == "done", again.status().message
    assert len(here.measured()) == measured + 1 and here.settled() == []


def pointed_at(here: Rig, target: str) -> None:
    Registry(here.store.root).remove(NAME)
    Registry(here.store.root).add(parse(NAME, target))


@contextmanager
def in_background(here: Rig, **more: Any) -> Iterator[Timing]:
    """A queued timing that a real worker and a real child work on."""
    made = Queue(here.store).submit_timing(here.request(**more))
    with cleaned(here.store):
        worker.start_detached(here.store)
        yield made


def ended(made: Timing) -> bool:
    return made.status().state in ("done", "failed", "cancelled")
