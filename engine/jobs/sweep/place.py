"""Which process drives a sweep: one at a time, and anybody may ask it to stop. No torch."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from engine.errors import RequestError
from engine.jobs.queue import Queue
from engine.jobs.sweep.inventory import Entry
from engine.spec.ids import digest_of
from engine.storage import directories, files
from engine.storage.atomic import as_work_error
from engine.storage.locks import Lock
from engine.storage.store import Store

STOP_SECONDS = 30.0  # in which a driver stops its runs


@contextmanager
def driving(store: Store, name: str, noun: str = "sweep") -> Iterator[None]:
    """This process drives the sweep, or the search, of that name inside; RequestError when another one does."""
    store.prepare()
    lock = lock_of(store, name)
    with as_work_error(lock.path.parent):
        files.make_folder(lock.path.parent)
    if not lock.acquire():
        owner = lock.owner()
        which = f" (process {owner.pid})" if owner else ""
        raise RequestError(
            f"another process{which} works on the {noun} {name} already; wait for it, or stop it with --cancel"
        )
    try:
        lock.sign()
        yield
    finally:
        lock.release()


def lock_of(store: Store, name: str) -> Lock:
    """The lock that the process of a sweep holds."""
    return Lock(directories.sweeps(store.root) / f"{digest_of(name)}.lock")


def stop(store: Store, name: str, wait: float = STOP_SECONDS) -> bool:
    """Asks the process that drives a sweep to stop, and waits until it has; whether there was one."""
    lock = lock_of(store, name)
    if not lock.path.parent.is_dir() or not lock.is_taken():
        return False
    owner = lock.owner()
    if owner is not None:
        try:
            owner.signal(signal.SIGTERM)
        except PermissionError:
            raise RequestError(
                f"the sweep {name} is another user's (process {owner.pid}), who alone may cancel it"
            ) from None
    deadline = time.monotonic() + wait
    while lock.is_taken():
        if time.monotonic() > deadline:
            raise RequestError(f"the process of the sweep {name} does not stop; end it, and cancel once more")
        time.sleep(0.1)
    return True


def cancel(store: Store, listed: list[Entry]) -> int:
    """Cancels every run of a sweep that has begun and not ended; how many there were."""
    queue, cancelled = Queue(store), 0
    for entry in listed:
        if entry.run_id is None or entry.state not in ("queued", "running", "interrupted"):
            continue
        with suppress(RequestError):  # it ended in between
            queue.cancel(entry.run_id)
            cancelled += 1
    return cancelled
