"""The worker: takes the queue's runs one after the other, each in a child process of its own. No torch.

There is one worker per results folder, held by a lock. It may die at any moment: its child goes on alone, and the next
worker watches that child instead of starting another. `python -m engine.jobs.worker RESULTS` starts a detached one.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from engine.errors import RequestError, WorkError
from engine.files import told
from engine.folder import Run
from engine.jobs.process import Child
from engine.jobs.queue import Queue
from engine.jobs.signals import handled
from engine.locks import Lock, Process
from engine.store import Store

PROJECT = Path(__file__).parents[2]
GRACE_SECONDS = 10.0  # from SIGTERM to SIGKILL
POLL_SECONDS = 0.1
IDLE_SECONDS = 0.5
BEAT_SECONDS = 2.0
ALREADY = 3  # exit status of a process that found a worker and became none
HUNG_SECONDS = 120.0  # a worker without a heartbeat for so long is replaced

Command = Callable[[Store, Run], list[str]]


class OccupiedError(RequestError):
    """Another worker works on the results folder."""


def child_command(store: Store, run: Run) -> list[str]:
    """The argument vector of the process that works on `run`."""
    return [sys.executable, "-m", "engine.jobs.child", str(store.root), run.id]


def worker_command(store: Store) -> list[str]:
    """The argument vector of a process that becomes a detached worker."""
    return [sys.executable, "-m", "engine.jobs.worker", str(store.root)]


def worker_of(store: Store) -> Process | None:
    """The living worker of this results folder."""
    return _lock(store).owner()


def start_detached(store: Store, command: Callable[[Store], list[str]] = worker_command) -> bool:
    """Starts a worker that outlives this process and ends when the queue is empty; False when one lives already.

    A worker whose heartbeat stopped is killed first; its child goes on, watched by the new one. WorkError when it
    cannot start.
    """
    lock = _lock(store)
    signer = lock.signer()
    if lock.taken() and signer and lock.age() > HUNG_SECONDS:
        signer.signal(signal.SIGKILL)
    elif lock.taken():
        return False
    started = subprocess.run(
        command(store),
        check=False,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if started.returncode not in (0, ALREADY):
        said = started.stderr.strip().splitlines() or [f"exit status {started.returncode}"]
        raise WorkError(f"the worker could not start: {said[-1]}")
    return started.returncode == 0


def work(store: Store, drain: bool = False, command: Command = child_command, *, grace: float = GRACE_SECONDS) -> None:
    """Works the queue until told to stop (SIGTERM, SIGINT) or, with `drain`, until it is empty.

    Told to stop, it stops its child first, which goes on with the next worker. RequestError when another worker lives.
    """
    lock = _lock(store)
    _take(lock, store)
    lock.sign()
    _loop(store, lock, drain, command, grace)


def detach(store: Store, command: Command = child_command) -> None:
    """Turns this process into a detached, draining worker; returns in the parent, that can then end, at once.

    Forks with the lock held, so that whoever waits for this process knows that the worker is there. RequestError when
    another one lives.
    """
    lock = _lock(store)
    _take(lock, store)
    if os.fork():
        return
    status = 1
    try:
        os.setsid()
        _silence(store.root / "worker.log")
        lock.sign()
        _loop(store, lock, True, command, GRACE_SECONDS)
        status = 0
    except (RequestError, WorkError) as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


class _Stop:
    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def _loop(store: Store, lock: Lock, drain: bool, command: Command, grace: float) -> None:
    queue = Queue(store)
    try:
        stop = _Stop()
        with handled(stop):
            while not stop.asked:
                lock.beat()
                queue.reconcile()
                child = _next_child(store, queue, command)
                if child is not None:
                    _watch(child, lock, stop, grace)
                    _settle(queue, child)
                elif not drain:
                    time.sleep(IDLE_SECONDS)
                else:
                    # Let go first, then look again: who submits meanwhile sees no worker, or is seen.
                    lock.release()
                    if queue.next() is None or not lock.acquire(sign=True):
                        return
    finally:
        lock.release()


def _next_child(store: Store, queue: Queue, command: Command) -> Child | None:
    orphan = queue.living()
    if orphan is not None:
        return Child(orphan, None)
    run = queue.next()
    if run is None:
        return None
    path = run.path / "log.txt"
    with told(path), path.open("ab") as log:
        popen = subprocess.Popen(
            command(store, run), cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    return Child(run, popen)


def _watch(child: Child, lock: Lock, stop: _Stop, grace: float) -> None:
    beat = time.monotonic()
    while not child.gone():
        if stop.asked or child.run.cancel_mark.exists():
            child.stop(grace)
        if time.monotonic() - beat > BEAT_SECONDS:
            beat = time.monotonic()
            lock.beat()
        time.sleep(POLL_SECONDS)


def _settle(queue: Queue, child: Child) -> None:
    stopped_with_this_worker = child.asked is not None and not child.run.cancel_mark.exists()
    if not stopped_with_this_worker:
        queue.settle(child.run, lost=child.code != 0)


def _take(lock: Lock, store: Store) -> None:
    store.prepare()
    if not lock.acquire():
        owner = lock.owner()
        who = f" (process {owner.pid})" if owner else ""
        raise OccupiedError(f"another worker{who} works the queue of {store.root} already; one is enough")


def _lock(store: Store) -> Lock:
    return Lock(store.root / ".worker.lock")


def _silence(log: Path) -> None:
    """Leaves the terminal: nothing to read, and output goes to `log`."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)


def main(arguments: list[str], command: Command = child_command) -> int:
    """The exit status of a process that was to become a detached worker; 0 as soon as that works."""
    if len(arguments) != 1:
        print("usage: python -m engine.jobs.worker RESULTS", file=sys.stderr)
        return RequestError.exit_code
    try:
        detach(Store(Path(arguments[0])), command)
    except OccupiedError as error:
        print(error, file=sys.stderr)
        return ALREADY
    except (RequestError, WorkError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
