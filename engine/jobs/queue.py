"""The queue: which jobs wait, and every change of a job's state that its own process does not make. No torch.

A job is a run on this computer or a timing on a board; each of these is a lane, in which one job goes at a time. A
job waits when its folder says so; the index only makes that quick to ask. Whoever changes a status holds the job's
lock, which a child process holds for its whole life: so no job is started, cancelled or resumed under a living child.
"""

import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict, Unpack

from engine.errors import RequestError, WorkError
from engine.spec.board_timing import TimingRequest
from engine.spec.run import RunSpec
from engine.storage import atomic
from engine.storage.job_folder import Job, Run, Timing
from engine.storage.records import event
from engine.storage.records.status import ENDED, STATES, TimesChanges
from engine.storage.store import Store

MAX_CRASHES = 3
_OWN = "SELECT job_id, kind, lane FROM jobs WHERE kind != 'gallery' AND "
_WAITING = _OWN + "NOT foreground AND state = 'queued' ORDER BY queued, job_id"
_UNENDED = _OWN + "NOT foreground AND state IN ('queued', 'running', 'interrupted') ORDER BY queued, job_id"
_STRAY = _OWN + "(state IN ('running', 'interrupted') OR state = 'queued' AND foreground) ORDER BY queued, job_id"


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

    def submit(self, spec: RunSpec) -> Run:
        """Puts a run in the queue: there, in the index too, when this returns; nothing is left when it raises."""
        run = self.store.create(spec)
        self._note(run)
        return run

    def submit_timing(self, request: TimingRequest) -> Timing:
        """The same for a timing on a board."""
        timing = self.store.create_timing(request)
        self._note(timing)
        return timing

    def cancel(self, job_id: str) -> None:
        """Cancels a job: at once when nobody works on it, else by a signal to its process; the worker does the rest.

        RequestError when it has ended already or is a gallery job.
        """
        job = self._user_job(job_id, "cancelled")
        if job.lock.owner() is None:
            with job.lock.holding(wait=1.0) as acquired:
                if acquired:
                    self._refuse_ended(job)
                    job.end("cancelled", "cancelled while nobody worked on it")
                    return
        self._refuse_ended(job)
        with atomic.as_work_error(job.cancel_mark):
            job.cancel_mark.touch()
        owner = job.lock.owner()
        if owner is not None:
            owner.signal(signal.SIGTERM)

    def resume(self, job_id: str) -> Job:
        """Puts an interrupted, failed or cancelled job back at the queue's end; a run goes on from its last step.

        So is one whose status is running while its process is dead.
        """
        job = self._user_job(job_id, "resumed")
        state = job.status().state
        refusal = f"{job_id} is {state}; only an interrupted, failed or cancelled {job.noun} can be resumed"
        if state in ("queued", "done"):
            raise RequestError(refusal)
        # A child that has just ended may still be leaving.
        with job.lock.holding(wait=0.0 if state == "running" else 5.0) as acquired:
            if not acquired and state == "running":
                raise RequestError(refusal)
            if not acquired:
                raise RequestError(f"{job_id} is still being worked on; try again in a moment")
            with atomic.as_work_error(job.cancel_mark):
                job.cancel_mark.unlink(missing_ok=True)
            self._requeue(job, f"waiting; {job.resumes}", crashes=0)
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
        rows = self.store.index.query("SELECT state, count(*) FROM jobs WHERE kind != 'gallery' GROUP BY state")
        return {**dict.fromkeys(STATES, 0), **{str(state): int(count) for state, count in rows}}

    def queued_ids(self) -> list[str]:
        """The ids of the queued jobs in the order in which those of a lane will start."""
        return [job_id for job_id, _, _ in self.store.index.query(_WAITING)]

    # -- for the worker, of which there is one

    def next(self, busy_lanes: Collection[str] = ()) -> LaneJob | None:
        """The job that is to start now in one of the lanes that are not busy."""
        for lane_job in self._lane_jobs(_WAITING, busy_lanes):
            job = lane_job.job
            with _unless_deleted(job):
                if job.cancel_mark.exists():
                    self.settle(job)
                elif not job.lock.is_taken():
                    return lane_job
        return None

    def find_orphan(self, busy_lanes: Collection[str] = ()) -> LaneJob | None:
        """A job of the queue that a child works on already: one to watch instead of starting another."""
        for lane_job in self._lane_jobs(_UNENDED, busy_lanes):
            with _unless_deleted(lane_job.job):
                if lane_job.job.lock.is_taken():
                    return lane_job
        return None

    def reconcile(self, child_ids: Collection[str] = ()) -> None:
        """Brings every job whose process is dead to the state it is to have: cancelled, queued again, or failed.

        Not those in `child_ids`: whoever watches a child settles its job.
        """
        self.store.sweep()
        for lane_job in self._lane_jobs(_STRAY):
            job = lane_job.job
            with _unless_deleted(job):
                if job.id not in child_ids and not job.lock.is_taken():
                    self.settle(job)

    def settle(self, job: Job, *, crashed: bool = False) -> None:
        """The same for one job, nothing while a process works on it; `crashed`: a child ended before it set a state."""
        with _unless_deleted(job), job.lock.holding() as acquired:
            if not acquired:
                return
            status = job.status()
            state = status.state
            if state in ENDED:
                return
            if job.cancel_mark.exists():
                job.end("cancelled", f"cancelled; resume {job.resumes}")
            elif status.foreground:
                if state != "interrupted":
                    job.end("interrupted", f"its process was lost; resume {job.resumes}")
            elif state == "interrupted":
                self._requeue(job, f"was interrupted; {job.resumes}")
            elif state == "running" or crashed:
                self._handle_crash(job)

    def _handle_crash(self, job: Job) -> None:
        try:
            status, steps = job.status(), job.steps()
        except WorkError as error:
            job.end("failed", str(error))
            return
        crashes = 1 if steps > status.steps else status.crashes + 1
        job.append_event(event.CrashEvent(crashes=crashes))
        if crashes >= MAX_CRASHES:
            sentence = f"its process was lost {crashes} times without a step in between; log.txt may say why"
            job.end("failed", sentence)
        else:
            self._requeue(job, f"its process was lost; {job.resumes}", crashes=crashes, steps=steps)

    @staticmethod
    def _requeue(job: Job, message: str, **counts: Unpack[_Counts]) -> None:
        times: TimesChanges = {"queued": time.time(), "finished": None}
        job.update(times=times, state="queued", message=message, error=None, foreground=False, **counts)

    def _note(self, job: Job) -> None:
        try:
            self.store.note(job)
        except WorkError:
            self.store.delete(job.id)
            raise

    def _user_job(self, job_id: str, verb: str) -> Job:
        job = self.store.job(job_id)
        if isinstance(job, Run) and job.gallery:
            raise RequestError(f"{job_id} is a gallery run, shipped with the project; it cannot be {verb}")
        return job

    def _lane_jobs(self, sql: str, busy_lanes: Collection[str] = ()) -> list[LaneJob]:
        rows = self.store.index.query(sql)
        return [LaneJob(self._job(job_id, kind), lane) for job_id, kind, lane in rows if lane not in busy_lanes]

    def _job(self, job_id: str, kind: str) -> Job:
        if kind == "timing":
            return Timing(self.store.timings_folder / job_id)
        return Run(self.store.folder / job_id)

    @staticmethod
    def _refuse_ended(job: Job) -> None:
        state = job.status().state
        if state in ENDED:
            raise RequestError(
                f"{job.id} is {state} already; only a queued, running or interrupted {job.noun} can be cancelled"
            )


@contextmanager
def _unless_deleted(job: Job) -> Iterator[None]:
    """What goes wrong inside does not matter when the run was deleted since it was listed."""
    try:
        yield
    except WorkError:
        if job.path.exists():
            raise
