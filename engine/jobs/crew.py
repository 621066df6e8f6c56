"""A worker's children and its loop: it looks at the queue, starts what is to start, and watches it. No torch."""

import math
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from engine.errors import RequestError, WorkError
from engine.jobs.child_process import Child, start
from engine.jobs.queue import Queue
from engine.storage.atomic import is_disk_full
from engine.storage.folders.job import Job
from engine.storage.locks import Lock
from engine.storage.store import Store

POLL_SECONDS = 0.1
RETRY_SECONDS = 5.0  # before what went wrong is tried again
LOOK_SECONDS = 0.5  # between two looks at the queue while nothing ends
BEAT_SECONDS = 2.0

Command = Callable[[Store, Job], list[str]]  # the argument vector of the process that works on a job


class Stop:
    """What signals do: note that the worker is to stop, and whether it was its user who said so (SIGINT)."""

    requested = by_user = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.requested, self.by_user = True, number == signal.SIGINT


class Crew:
    """The children at work, by lane. Whatever goes wrong with one job, the others go on."""

    def __init__(self, store: Store, lock: Lock, command: Command, grace: float) -> None:
        self.queue = Queue(store)
        self.store, self.lock, self.command, self.grace = store, lock, command, grace
        self.children: dict[str, Child[Job]] = {}
        self._last_look = self._last_beat = -math.inf
        self._retries: dict[str, float] = {}  # by job: the monotonic second before which it is left alone
        self._last_complaint = ""

    def work(self, stop: Stop, drain: bool) -> None:
        """Until a signal to stop, when all children have ended or, with `drain`, the queue is empty.

        WorkError when the results folder is renamed or deleted.
        """
        gone = False
        while not (stop.requested and not self.children):
            if not stop.requested and not self.lock.is_intact():
                gone = stop.requested = stop.by_user = True
            if not stop.requested and self._is_due() and self._look(drain):
                return
            self._watch(stop.requested)
            self._beat()
            time.sleep(POLL_SECONDS)
        if gone:
            raise WorkError(
                f"the results folder {self.store.root} was renamed or deleted; its worker has ended, "
                "and its jobs go on when they are resumed where the folder is now"
            )

    def has_work(self) -> bool:
        """Whether jobs are left; also where nobody can tell."""
        try:
            return self.queue.has_work()
        except WorkError:
            return True

    def _look(self, drain: bool) -> bool:
        """Starts what is to start; whether this worker is done. On a disk that is full, say, it looks again later."""
        try:
            self._start_children()
            return drain and not self.children and self._release_if_empty()
        except (WorkError, OSError) as error:
            self._complain(str(error))
            self._last_look = time.monotonic() + RETRY_SECONDS
            return False

    def _is_due(self) -> bool:
        """Whether it is time to look at the queue; a look costs a few stats a job."""
        if time.monotonic() - self._last_look < LOOK_SECONDS:
            return False
        self._last_look = time.monotonic()
        return True

    def _start_children(self) -> None:
        """A child for every lane that has none and a job."""
        self.queue.reconcile({child.job.id for child in self.children.values()}, self._report)
        while orphan := self.queue.find_orphan(self.children, self._report):
            self.children[orphan.lane] = Child(orphan.job, None)
        while waiting_job := self.queue.next(self.children, self._waiting_retries(), self._report):
            try:
                self.children[waiting_job.lane] = start(waiting_job.job, self.command(self.store, waiting_job.job))
            except (WorkError, OSError) as error:
                self._report(waiting_job.job, error)

    def _waiting_retries(self) -> set[str]:
        """The jobs with which something went wrong a moment ago."""
        now = time.monotonic()
        self._retries = {job_id: until for job_id, until in self._retries.items() if until > now}
        return set(self._retries)

    def _report(self, job: Job, error: Exception) -> None:
        """Says in the job what went wrong; it has failed, unless the disk is full: then it is tried again."""
        self._complain(f"{job.id}: {error}")
        self._retries[job.id] = time.monotonic() + RETRY_SECONDS
        with suppress(RequestError, WorkError, OSError), job.lock.holding() as acquired:
            if acquired and is_disk_full(error):
                job.update(message=str(error))
            elif acquired:
                job.end("failed", str(error))

    def _complain(self, sentence: str) -> None:
        if sentence != self._last_complaint:
            print(sentence, file=sys.stderr, flush=True)
        self._last_complaint = sentence

    def _release_if_empty(self) -> bool:
        if self._retries:
            return False
        # Let go first, then look again: who submits meanwhile sees no worker, or is seen.
        self.lock.release()
        try:
            is_empty = self.queue.next(report=self._report) is None
        except WorkError as error:
            self._complain(str(error))
            is_empty = False  # as far as anybody can tell
        if is_empty or not self.lock.acquire():
            return True
        self._last_look = self._last_beat = -math.inf
        return False

    def _watch(self, stopping: bool) -> None:
        for lane, child in list(self.children.items()):
            try:
                if child.has_ended():
                    del self.children[lane]
                    self._last_look = -math.inf
                    self._settle(child)
                elif stopping or child.job.is_cancel_requested():
                    child.stop(self.grace)
            except (RequestError, WorkError, OSError) as error:
                self._report(child.job, error)

    def _settle(self, child: Child[Job]) -> None:
        stopped_with_this_worker = child.stopped_at is not None and not child.job.is_cancel_requested()
        if not stopped_with_this_worker:
            self.queue.settle(child.job, crashed=child.code != 0)

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat > BEAT_SECONDS:
            self._last_beat = time.monotonic()
            with suppress(WorkError):  # a full disk; the next beat is not far
                self.lock.sign()
