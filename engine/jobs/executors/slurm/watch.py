"""One run on a cluster as the executor sees it: whose turn it is with the run's lock, and whether it has ended.

The executor holds the lock while the job waits for a node, so that nobody takes the run for lost. A job that has begun
says so in its report and waits until the lock is let go of; then its child takes it. Where the cluster puts the job
back into its queue, the executor takes the lock once more. No torch.
"""

import math
import sys
import time
from collections.abc import Mapping

from engine.errors import WorkError
from engine.jobs.child_process import Child
from engine.jobs.executors.slurm import report
from engine.jobs.executors.slurm.array import Array
from engine.jobs.executors.slurm.cluster import Cluster, End, Place, Standing
from engine.jobs.executors.slurm.report import Report
from engine.jobs.queue import handle_crash, requeue
from engine.jobs.worker import GRACE_SECONDS
from engine.storage.folders.run import Run
from engine.storage.records.status import ENDED

LINGER_SECONDS = 300.0  # that a file server may keep the lock of a node that is gone
CANCEL_SECONDS = 60.0  # after which a job that is still there is cancelled once more
_LOOKS = 2  # without a job, after which it is gone
_CANCELLED, _MEMORY = "CANCELLED", "OUT_OF_MEMORY"
_LOST = ("PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "TIMEOUT", "DEADLINE", "REVOKED")


class BadNode(Exception):
    """A job could not begin because of its node: one sentence, and the node's name ("" where nobody knows it)."""

    def __init__(self, sentence: str, host: str) -> None:
        super().__init__(sentence)
        self.host = host


class Watched:
    """A run that is under way: with its job, or without where a child works on it that is in none.

    `own` is one that this process has submitted, whose lock it has held since.
    """

    def __init__(
        self,
        run: Run,
        cluster: Cluster,
        array: Array | None = None,
        number: int = 0,
        job: str | None = None,
        *,
        own: bool = False,
    ) -> None:
        self.run, self.job = run, job
        self._cluster, self._array, self._number, self._own = cluster, array, number, own
        self._standing: Standing | None = None
        self._absent = 0  # looks in a row in which the cluster did not know the job
        self._starts = 0  # of the job, that are known of
        self._cancelled_at = -math.inf
        self._gone_at: float | None = None
        self._child = Child(run, None)
        self._said: Report | None = None
        self._read_at = -math.inf
        self.problem: str | None = None
        self.has_begun = False  # whether its child has

    @property
    def is_gone(self) -> bool:
        """Whether the job does not exist any more."""
        return self.job is None or self._absent >= _LOOKS

    def note(self, standings: Mapping[Place, Standing]) -> None:
        """Hears which jobs exist."""
        if self._array is not None:
            self._standing = standings.get(Place(self._array.name, self._number))
            self._absent = 0 if self._standing is not None else self._absent + 1

    def give_up(self, problem: str) -> None:
        """Ends the job of a run with which something is wrong here, as when its folder was deleted."""
        if self.problem is None and self.job is not None:
            self._cluster.cancel([self.job])
        self.problem = self.problem or problem

    def step(self, stopping: bool) -> bool:
        """Does what is to be done now; whether the run has ended, with `problem` where there was one.

        BadNode where its job could not begin.
        """
        if self.problem is not None:
            return self.is_gone
        stopping = stopping or self.run.is_cancel_requested()
        if self._array is None or self.job is None:
            return self._has_child_ended(stopping)
        said = self._report(self._array)
        if said is not None and said.phase == "refused":
            raise BadNode(said.problem or "", said.host)
        if said is not None and said.starts > self._starts:
            self._hand_over(said)
        if said is not None and said.phase == "ended" and (said.problem or self._is_settled()):
            self.problem = said.problem
            return True
        if stopping and time.monotonic() - self._cancelled_at > CANCEL_SECONDS:
            self._cancelled_at = time.monotonic()
            self._cluster.cancel([self.job])
        if self.is_gone:
            return self._has_left(self._array, self.job, said)
        if self._starts and self._standing is not None and self._standing.waits:
            self._take_back(self.job)
        return False

    def _has_child_ended(self, stopping: bool) -> bool:
        if self._child.has_ended():
            return True
        if stopping:
            self._child.stop(GRACE_SECONDS)
        return False

    def _report(self, array: Array) -> Report | None:
        now = time.monotonic()
        if now - self._read_at >= self._cluster.report_seconds:
            self._read_at, self._said = now, report.read(array.report(self._number))
        return self._said

    def _hand_over(self, said: Report) -> None:
        """Lets go of the lock for a job that has begun."""
        first, self._starts = self._starts == 0 and said.starts == 1, said.starts
        if not self.run.lock.is_held():
            self.has_begun = True
            return
        if self._own and first and not said.saw_lock:
            raise BadNode(
                f"the node {said.host} does not see the locks of this computer in {self.run.root}; keep results on a "
                "file system with shared locks, as NFS 4, or Lustre that is mounted with flock on both",
                said.host,
            )
        self.has_begun = True
        self.run.write_log(f"{self._cluster.name} {self.job} has begun on {said.host}")
        self.run.lock.release()

    def _take_back(self, job: str) -> None:
        """Takes the lock once more where a job waits and no child is left; cancels that of a run that has ended."""
        if self.run.lock.is_held() or not self.run.lock.acquire(0.0):
            return
        state = self.run.status_or_new().state
        if state in ENDED:
            self._cluster.cancel([job])
        elif state == "running":
            handle_crash(self.run, foreground=True)
        else:
            requeue(self.run, f"back in the queue, as {self._cluster.name} {job}", foreground=True)

    def _is_settled(self) -> bool:
        """Whether the child has brought the run to its end and left it."""
        try:
            return self.run.status().state in ENDED and not self.run.lock.is_taken()
        except WorkError:
            return False  # damaged: that is said when the job is gone

    def _has_left(self, array: Array, job: str, said: Report | None) -> bool:
        """What the end of a job means for its run; whether nothing holds the run any more."""
        now = time.monotonic()
        if not self.run.lock.is_held() and self.run.lock.is_taken():
            self._gone_at = now if self._gone_at is None else self._gone_at
            if now - self._gone_at < LINGER_SECONDS:
                return False
            self.problem = f"the lock of its {self._cluster.name} {job} is still held, while the job is gone"
            return True
        end = self._cluster.end_of(job)
        if said is None and self._own and not self._was_cancelled() and end.state not in (_CANCELLED, *_LOST):
            raise BadNode(self._unseen(array, job, end), end.host)
        if end.state == _CANCELLED and not self._was_cancelled():
            self.run.ask_to_cancel()  # by its user, at the cluster
        elif end.state == _MEMORY:
            self.problem = f"{self._cluster.name} {job} took more memory than it had; ask for more, as --sbatch mem=16G"
        return True

    def _was_cancelled(self) -> bool:
        """Whether this process has ended the job."""
        return self._cancelled_at > -math.inf

    def _unseen(self, array: Array, job: str, end: End) -> str:
        host = f"the node {end.host}" if end.host else "its node"
        began = f"{self._cluster.name} {job} ended before Espalier began on {host}"
        words = array.last_words(job)
        if words:
            return f"{began}, with the last words: {words}"
        return (
            f"{began}, and left nothing in {self.run.root}; that folder and {sys.executable} must be on a file system "
            "that every node sees"
        )
