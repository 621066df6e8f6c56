"""The worker: takes the queue's jobs, each in a child process of its own, one at a time in each lane. No torch.

This computer is a lane and every board is one, so that timings on boards go on beside a run. There is one worker per
results folder, held by a lock. It may die at any moment: its children go on alone, and the next worker watches them
instead of starting others. `python -m engine.jobs.worker RESULTS` starts a detached one.
"""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import RequestError, WorkError
from engine.jobs.child_process import PROJECT
from engine.jobs.crew import Command, Crew, Stop
from engine.jobs.queue import Queue
from engine.jobs.signals import handle_signals
from engine.storage import files
from engine.storage.atomic import as_work_error
from engine.storage.folders.job import Job
from engine.storage.locks import Lock, Process
from engine.storage.store import Store

GRACE_SECONDS = 10.0  # from SIGTERM to SIGKILL
ALREADY = 3  # exit status of a process that found a worker and became none
HUNG_SECONDS = 120.0  # a worker without a heartbeat for so long is replaced


class OccupiedError(RequestError):
    """Another worker works on the results folder."""


def child_command(store: Store, job: Job) -> list[str]:
    """The argument vector of the process that works on `job`."""
    return [sys.executable, "-m", "engine.jobs.child", str(store.root), job.id]


def worker_command(store: Store) -> list[str]:
    """The argument vector of a process that becomes a detached worker."""
    return [sys.executable, "-m", "engine.jobs.worker", str(store.root)]


def worker_of(store: Store) -> Process | None:
    """The living worker of this results folder."""
    return _lock(store).owner()


def has_worker(store: Store) -> bool:
    """Whether a worker lives, be it another user's or on another computer."""
    return _lock(store).is_taken()


def replace_lost(store: Store) -> None:
    """Starts a worker in the place of one that ended before the queue did: by a power cut, or because it was stopped.

    For whoever is about to show how this user's jobs stand. It brings those whose process is dead to the state that
    they are to have, and goes on with them. Where it cannot start there is none, which keeps nobody from looking.
    """
    lock = _lock(store)
    if lock.signer() is None or (lock.is_taken() and lock.age() <= HUNG_SECONDS) or not store.is_writable():
        return
    if Queue(store).has_work(os.geteuid()):
        with suppress(WorkError):
            start_detached(store)


def start_detached(store: Store, command: Callable[[Store], list[str]] = worker_command) -> bool:
    """Starts a worker that outlives this process and ends when the queue is empty; False when one lives already.

    A worker whose heartbeat stopped is killed first; its child goes on, watched by the new one. WorkError when it
    cannot start.
    """
    lock = _lock(store)
    signer = lock.signer()
    if lock.is_taken() and signer and lock.age() > HUNG_SECONDS:
        with suppress(PermissionError):  # another user's: the new one will say that it lives
            signer.signal(signal.SIGKILL)
    elif lock.is_taken():
        return False
    process = subprocess.run(
        command(store),
        check=False,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if process.returncode not in (0, ALREADY):
        output = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
        raise WorkError(f"the worker could not start: {output[-1]}")
    return process.returncode == 0


def work(store: Store, drain: bool = False, command: Command = child_command, *, grace: float = GRACE_SECONDS) -> None:
    """Works the queue until a signal to stop (SIGTERM, SIGINT) or, with `drain`, until it is empty.

    It then stops its child first, which goes on with the next worker. RequestError when another worker lives.
    """
    lock = _lock(store)
    _acquire(lock, store)
    _loop(store, lock, drain, command, grace)


def detach(store: Store, command: Command = child_command) -> None:
    """Turns this process into a detached, draining worker; returns in the parent, that can then end, at once.

    Forks with the lock held, so that whoever waits for this process knows that the worker is there. RequestError when
    another one lives, WorkError when there is no log to write to.
    """
    store.prepare()
    with _opened_log(store) as log:
        lock = _lock(store)
        _acquire(lock, store)
        if os.fork():
            return
        status = 1
        try:
            os.setsid()
            _redirect_output(log)
            _loop(store, lock, True, command, GRACE_SECONDS)
            status = 0
        except (RequestError, WorkError) as error:
            print(error, file=sys.stderr)
        except Exception:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)


def _loop(store: Store, lock: Lock, drain: bool, command: Command, grace: float) -> None:
    stop = Stop()
    crew = Crew(store, lock, command, grace)
    try:
        with handle_signals(stop):
            crew.work(stop, drain)
    finally:
        # The signature of a worker that was stopped by something else makes the next one who looks start another.
        lock.release(signature=stop.requested and not stop.by_user and crew.has_work())


def _acquire(lock: Lock, store: Store) -> None:
    store.prepare()
    if not lock.acquire():
        owner = lock.owner()
        holder = f" (process {owner.pid})" if owner else ""
        raise OccupiedError(f"another worker{holder} works the queue of {store.root} already; one is enough")
    with suppress(WorkError):  # a full disk; it is signed with the first heartbeat
        lock.sign()  # from here on whoever finds it lost replaces it


def _lock(store: Store) -> Lock:
    return Lock(store.root / ".worker.lock")


@contextmanager
def _opened_log(store: Store) -> Iterator[int]:
    log = store.root / "worker.log"
    with as_work_error(log), files.opened(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as descriptor:
        yield descriptor


def _redirect_output(log: int) -> None:
    """Leaves the terminal: nothing to read, and output goes to `log`."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for target in (1, 2):
        os.dup2(log, target)


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
