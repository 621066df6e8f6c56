"""The worker: takes the queue's jobs, each in a child process of its own, one at a time in each lane. No torch.

This computer is a lane and every board is one, so that timings on boards go on beside a run. There is one worker per
results folder, held by a lock. It may die at any moment: its children go on alone, and the next worker watches them
instead of starting others. `python -m engine.jobs.worker RESULTS` starts a detached one.
"""

import math
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
from engine.jobs.child_process import Child
from engine.jobs.queue import Queue
from engine.jobs.signals import handle_signals
from engine.storage import directories
from engine.storage.atomic import as_work_error
from engine.storage.job_folder import Job
from engine.storage.locks import Lock, Process
from engine.storage.store import Store

PROJECT = directories.PACKAGES
GRACE_SECONDS = 10.0  # from SIGTERM to SIGKILL
POLL_SECONDS = 0.1
LOOK_SECONDS = 0.5  # between two looks at the queue while nothing ends
BEAT_SECONDS = 2.0
ALREADY = 3  # exit status of a process that found a worker and became none
HUNG_SECONDS = 120.0  # a worker without a heartbeat for so long is replaced

Command = Callable[[Store, Job], list[str]]


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


def settle_lost(store: Store) -> None:
    """Brings jobs whose process is dead to the state that they are to have, unless a worker lives, which sees to that.

    For whoever is about to show how jobs stand: after a power cut nobody else would notice that they stand still.
    """
    if worker_of(store) is None:
        Queue(store).reconcile()


def start_detached(store: Store, command: Callable[[Store], list[str]] = worker_command) -> bool:
    """Starts a worker that outlives this process and ends when the queue is empty; False when one lives already.

    A worker whose heartbeat stopped is killed first; its child goes on, watched by the new one. WorkError when it
    cannot start.
    """
    lock = _lock(store)
    signer = lock.signer()
    if lock.is_taken() and signer and lock.age() > HUNG_SECONDS:
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
    lock.sign()
    _loop(store, lock, drain, command, grace)


def detach(store: Store, command: Command = child_command) -> None:
    """Turns this process into a detached, draining worker; returns in the parent, that can then end, at once.

    Forks with the lock held, so that whoever waits for this process knows that the worker is there. RequestError when
    another one lives.
    """
    lock = _lock(store)
    _acquire(lock, store)
    if os.fork():
        return
    status = 1
    try:
        os.setsid()
        _redirect_output(store.root / "worker.log")
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
    """What SIGTERM and SIGINT do: note that the worker is to stop."""

    requested = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


def _loop(store: Store, lock: Lock, drain: bool, command: Command, grace: float) -> None:
    try:
        stop = _Stop()
        with handle_signals(stop):
            _Crew(store, lock, command, grace).work(stop, drain)
    finally:
        lock.release()


class _Crew:
    """The children at work, by lane."""

    def __init__(self, store: Store, lock: Lock, command: Command, grace: float) -> None:
        self.queue = Queue(store)
        self.store, self.lock, self.command, self.grace = store, lock, command, grace
        self.children: dict[str, Child] = {}
        self._last_look = self._last_beat = -math.inf

    def work(self, stop: _Stop, drain: bool) -> None:
        """Until a signal to stop, when all children have ended or, with `drain`, the queue is empty."""
        while not (stop.requested and not self.children):
            if not stop.requested and self._is_due():
                self._start_children()
                if drain and not self.children and self._release_if_empty():
                    return
            self._watch(stop.requested)
            self._beat()
            time.sleep(POLL_SECONDS)

    def _is_due(self) -> bool:
        """Whether it is time to look at the queue; a look costs a few stats a job."""
        if time.monotonic() - self._last_look < LOOK_SECONDS:
            return False
        self._last_look = time.monotonic()
        return True

    def _start_children(self) -> None:
        """A child for every lane that has none and a job."""
        self.queue.reconcile({child.job.id for child in self.children.values()})
        while orphan := self.queue.find_orphan(self.children):
            self.children[orphan.lane] = Child(orphan.job, None)
        while waiting_job := self.queue.next(self.children):
            self.children[waiting_job.lane] = self._start_child(waiting_job.job)

    def _release_if_empty(self) -> bool:
        # Let go first, then look again: who submits meanwhile sees no worker, or is seen.
        self.lock.release()
        if self.queue.next() is None or not self.lock.acquire(sign=True):
            return True
        self._last_look = -math.inf
        return False

    def _start_child(self, job: Job) -> Child:
        path = job.path / "log.txt"
        with as_work_error(path), path.open("ab") as log:
            popen = subprocess.Popen(
                self.command(self.store, job),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return Child(job, popen)

    def _watch(self, stopping: bool) -> None:
        for lane, child in list(self.children.items()):
            if child.has_ended():
                del self.children[lane]
                self._settle(child)
                self._last_look = -math.inf
            elif stopping or child.job.cancel_mark.exists():
                child.stop(self.grace)

    def _settle(self, child: Child) -> None:
        stopped_with_this_worker = child.stopped_at is not None and not child.job.cancel_mark.exists()
        if not stopped_with_this_worker:
            self.queue.settle(child.job, crashed=child.code != 0)

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat > BEAT_SECONDS:
            self._last_beat = time.monotonic()
            self.lock.beat()


def _acquire(lock: Lock, store: Store) -> None:
    store.prepare()
    if not lock.acquire():
        owner = lock.owner()
        holder = f" (process {owner.pid})" if owner else ""
        raise OccupiedError(f"another worker{holder} works the queue of {store.root} already; one is enough")


def _lock(store: Store) -> Lock:
    return Lock(store.root / ".worker.lock")


def _redirect_output(log: Path) -> None:
    """Leaves the terminal: nothing to read, and output goes to `log`."""
    null = os.open(os.devnull, os.O_RDONLY)
    log_file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((null, 0), (log_file, 1), (log_file, 2)):
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
