"""The queue: which jobs wait, and every change of a job's state that its own process does not make. No torch.

A job is a run or a landscape on this computer, or a timing on a board; this computer and each board is a lane, in which
one job goes at a time. A job waits when its folder says so; the index only makes that quick to ask. Whoever changes a
status holds the job's lock, which a child process holds for its whole life: so no job is started, cancelled or resumed
under a living child.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypedDict, Unpack

from engine.errors import RequestError, WorkError
from engine.spec.board_timing import TimingRequest
from engine.spec.landscape.request import LandscapeRequest
from engine.spec.run import RunSpec
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.housekeeping import trash
from engine.storage.indexing.head import Head
from engine.storage.landscapes.job import Landscape
from engine.storage.records import event
from engine.storage.records.status import ENDED, RESUMABLE, STATES, TimesChanges
from engine.storage.results import refuse_deleted
from engine.storage.store import Store
from engine.storage.timings.job import Timing

MAX_CRASHES = 3
_UNENDED = ("queued", "running", "interrupted")

Report = Callable[[Job, Exception], None]  # of what went wrong with a job


def _raise(job: Job, error: Exception) -> None:
    raise error


class _Counts(TypedDict, total=False):
    crashes: int
    steps: int


@dataclass(frozen=True)
class LaneJob:
    """A job and the lane in which it goes."""

    job: Job
    lane: str


@dataclass(frozen=True)
class Queue:
    """The queue of a results folder. Any number of processes may use it at once."""

    store: Store

    def submit(self, spec: RunSpec, experiment: str | None = None) -> Run:
        """Puts a run in the queue: there, in the index too, when this returns; nothing is left when it raises.

        `experiment` is the name of what it is a part of.
        """
        run = self.store.create(spec, experiment=experiment)
        self._note(run)
        return run

    def submit_timing(self, request: TimingRequest) -> Timing:
        """The same for a timing on a board."""
        timing = self.store.create_timing(request)
        self._note(timing)
        return timing

    def submit_landscape(self, request: LandscapeRequest) -> Landscape:
        """The same for a landscape."""
        landscape = self.store.create_landscape(request)
        self._note(landscape)
        return landscape

    def cancel(self, job_id: str) -> None:
        """Cancels a job: at once when nobody works on it, else by a signal to its process; the worker does the rest.

        RequestError when it has ended already or is a gallery job.
        """
        job = self._user_job(job_id, "cancelled")
        with refuse_deleted(job):
            if job.lock.owner() is None:
                with job.lock.holding(wait=1.0) as acquired:
                    if acquired:
                        self._refuse_ended(job)
                        job.end("cancelled", "cancelled while nobody worked on it")
                        return
            self._refuse_ended(job)
            job.ask_to_cancel()
            owner = job.lock.owner()
            if owner is not None:
                with suppress(PermissionError):  # another user's: that one's worker sees the mark
                    owner.signal(signal.SIGTERM)

    def resume(self, job_id: str) -> Job:
        """Puts an interrupted, failed or cancelled job back at the queue's end; a run goes on from its last step.

        So is one whose status is running while its process is dead, and one whose status is damaged. One that waits
        there already keeps its place.
        """
        job = self._user_job(job_id, "resumed")
        with refuse_deleted(job):
            status = job.status_or_new()
            if status.state == "queued" and not status.foreground and not job.lock.is_taken():
                return job
            refusal = f"{job_id} is {status.state}; only an interrupted, failed or cancelled {job.noun} can be resumed"
            if status.state == "done":
                raise RequestError(refusal)
            # A child that has just ended may still be leaving.
            with job.lock.holding(wait=5.0 if status.state in RESUMABLE else 0.0) as acquired:
                if not acquired and status.state not in RESUMABLE:
                    raise RequestError(refusal)
                if not acquired:
                    raise RequestError(f"{job_id} is still being worked on; try again in a moment")
                job.forget_to_cancel()
                requeue(job, f"waiting; {job.resumes}", crashes=0)
        return job

    def refuse_while_timed(self, device: str) -> None:
        """RequestError while a timing on this board waits or is under way: without it they could not go on."""
        active = [timing for timing in self.store.timings() if timing["device"] == device]
        count = sum(timing["state"] in ("queued", "running", "interrupted") for timing in active)
        if count:
            what = "a timing on it has" if count == 1 else f"{count} timings on it have"
            raise RequestError(f"{device} cannot be removed while {what} not ended; cancel that first")

    def counts(self) -> dict[str, int]:
        """How many of the user's jobs are in each state, every state named."""
        states = Counter("interrupted" if self.store.is_lost(head) else head.state for head in self._own())
        return {state: states[state] for state in STATES}

    def queued_ids(self) -> list[str]:
        """The ids of the queued jobs in the order in which those of a lane will start."""
        return [head.job_id for head in self._own(("queued",)) if not head.foreground]

    def has_work(self, user: int | None = None) -> bool:
        """Whether a worker would have something to do; with `user`, a number of the system, for that one."""
        waiting = [head for head in self._own(_UNENDED) if not head.foreground]
        return any(user is None or _owner(self.store.job_of(head)) == user for head in waiting)

    # -- for the worker, of which there is one. What is wrong with one job is reported, and stops no other.

    def next(
        self, busy_lanes: Collection[str] = (), skip: Collection[str] = (), report: Report = _raise
    ) -> LaneJob | None:
        """The job that is to start now in one of the lanes that are not busy, and none of those in `skip`."""
        for lane_job in self._lane_jobs(("queued",), busy_lanes):
            job = lane_job.job
            if job.id in skip:
                continue
            with _each(job, report):
                if job.is_cancel_requested():
                    self.settle(job)
                elif not job.lock.is_taken() and _is_ours(job):
                    return lane_job
        return None

    def find_orphan(self, busy_lanes: Collection[str] = (), report: Report = _raise) -> LaneJob | None:
        """A job of the queue that a child works on already: one to watch instead of starting another."""
        for lane_job in self._lane_jobs(_UNENDED, busy_lanes):
            with _each(lane_job.job, report):
                if lane_job.job.lock.is_taken() and _is_ours(lane_job.job):
                    return lane_job
        return None

    def reconcile(self, child_ids: Collection[str] = (), report: Report = _raise) -> None:
        """Brings every job whose process is dead to the state it is to have: cancelled, queued again, or failed.

        Not those in `child_ids`: whoever watches a child settles its job.
        """
        self.store.sweep()
        trash.sweep(self.store)
        for head in self._own(_UNENDED):
            if head.job_id in child_ids or not (head.state in ("running", "interrupted") or head.foreground):
                continue
            job = self.store.job_of(head)
            with _each(job, report):
                if not job.lock.is_taken() and _is_ours(job):
                    self.settle(job)

    def settle(self, job: Job, *, crashed: bool = False) -> None:
        """The same for one job, nothing while a process works on it; `crashed`: a child ended before it set a state."""
        with _each(job, _raise), job.lock.holding() as acquired:
            if not acquired:
                return
            if crashed and not _is_readable(job):
                job.write_status(job.status_or_new())
            status = job.status()
            state = status.state
            if state in ENDED:
                return
            if job.is_cancel_requested():
                job.end("cancelled", f"cancelled; resume {job.resumes}")
            elif status.foreground:
                if state != "interrupted":
                    job.end("interrupted", f"its process was lost; resume {job.resumes}")
            elif state == "interrupted":
                requeue(job, f"was interrupted; {job.resumes}")
            elif state == "running" or crashed:
                handle_crash(job)

    def _note(self, job: Job) -> None:
        try:
            self.store.note(job)
        except WorkError:
            self.store.delete(job.id)
            raise

    def _user_job(self, job_id: str, verb: str) -> Job:
        job = self.store.job(job_id)
        if job.gallery:
            raise RequestError(f"{job_id} is a gallery {job.noun}, shipped with the project; it cannot be {verb}")
        return job

    def _own(self, states: Collection[str] = STATES) -> list[Head]:
        """The user's jobs in some states, in the order in which they came into the queue."""
        heads = (head for head in self.store.index.heads() if head.kind != "gallery")
        chosen = (head for head in heads if head.state in states)
        return sorted(chosen, key=lambda head: (head.queued, head.job_id))

    def _lane_jobs(self, states: Collection[str], busy_lanes: Collection[str]) -> list[LaneJob]:
        heads = [head for head in self._own(states) if not head.foreground]
        return [LaneJob(self.store.job_of(head), head.lane) for head in heads if head.lane not in busy_lanes]

    @staticmethod
    def _refuse_ended(job: Job) -> None:
        state = job.status().state
        if state in ENDED:
            raise RequestError(
                f"{job.id} is {state} already; only a queued, running or interrupted {job.noun} can be cancelled"
            )


def handle_crash(job: Job, *, foreground: bool = False) -> None:
    """Puts a job whose process was lost back into the queue, or fails it where that happens again and again.

    The caller holds its lock.
    """
    try:
        status, steps = job.status(), job.steps()
    except WorkError as error:
        job.end("failed", f"{error}; resume {job.resumes}")
        return
    crashes = 1 if steps > status.steps else status.crashes + 1
    job.append_event(event.CrashEvent(crashes=crashes))
    if crashes >= MAX_CRASHES:
        sentence = f"its process was lost {crashes} times without a step in between; log.txt may say why"
        job.end("failed", sentence)
    else:
        counts: _Counts = {"crashes": crashes, "steps": steps}
        requeue(job, f"its process was lost; {job.resumes}", foreground=foreground, **counts)


def requeue(job: Job, message: str, *, foreground: bool = False, **counts: Unpack[_Counts]) -> None:
    """Has a job wait again; in the `foreground` for another process than the worker. The caller holds its lock."""
    times: TimesChanges = {"queued": time.time(), "finished": None}
    job.update(times=times, state="queued", message=message, error=None, foreground=foreground, **counts)


def _is_ours(job: Job) -> bool:
    """Whether this user may work on a job: its folder may be another user's, who did not let others write to it."""
    return os.access(job.path, os.W_OK | os.X_OK)


def _owner(job: Job) -> int | None:
    try:
        return job.path.lstat().st_uid
    except FileNotFoundError:
        return None


def _is_readable(job: Job) -> bool:
    """Whether the job's status is whole."""
    try:
        job.status()
    except WorkError:
        return False
    return True


@contextmanager
def _each(job: Job, report: Report) -> Iterator[None]:
    """What goes wrong with one job inside is reported, unless the job was deleted since it was listed."""
    try:
        yield
    except (RequestError, WorkError, OSError) as error:
        if os.path.lexists(job.path):
            report(job, error)
