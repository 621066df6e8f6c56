"""Runs on a cluster whose nodes see the results folder: a job each, by way of submitit. No torch."""

import time
from collections.abc import Collection, Sequence

from engine.errors import WorkError
from engine.jobs.crew import Command
from engine.jobs.executors.executor import Workload
from engine.jobs.executors.slurm import array
from engine.jobs.executors.slurm.array import Array
from engine.jobs.executors.slurm.cluster import Cluster, Needs, Place
from engine.jobs.executors.slurm.task import Task
from engine.jobs.executors.slurm.watch import BadNode, Watched
from engine.jobs.executors.versions import versions
from engine.jobs.worker import GRACE_SECONDS, child_command
from engine.storage.folders.run import Run
from engine.storage.store import Store

PLACES = 64  # jobs at once where nothing is said
RETRY_SECONDS = 30.0  # after which jobs that were refused while others went on are submitted once more
_LEAVE_SECONDS = 60.0  # in which jobs end that are given up
_TIDY_SECONDS = 10.0  # in which the last jobs leave the cluster
_OLD = 3600.0  # seconds after which the folder of an array is nobody's who is about to submit it


class SubmititExecutor:
    """Jobs of a cluster. Those that outlive this process are watched by the next one."""

    def __init__(self, store: Store, cluster: Cluster, places: int = PLACES, command: Command = child_command) -> None:
        self._store, self._cluster, self._places, self._command = store, cluster, places, command
        self._versions = versions()
        self._at_work: list[Watched] = []
        self._waiting: list[Run] = []  # given out, and not submitted yet
        self._left_behind: dict[str, tuple[Array, int, str]] = {}  # by run: of jobs that exist, with their ids
        self._own: set[str] = set()  # the names of arrays that this process has submitted
        self._began = False  # whether a child has begun anywhere
        self._looked = self._submitted = 0.0
        self._not_before = 0.0  # the monotonic second from which on jobs are submitted

    @property
    def places(self) -> int:
        """How many jobs there are at once, waiting or at work."""
        return self._places

    def execute(self, workload: Workload) -> None:
        """As `Executor` has it.

        WorkError when the cluster refuses the jobs while none is under way, and when a job finds its node unfit before
        any run has begun; what was under way is cancelled then.
        """
        self._find_left_behind()
        try:
            while self._work(workload):
                time.sleep(self._cluster.poll_seconds)
        except WorkError:
            self._give_up()
            raise
        finally:
            self._tidy()

    def _work(self, workload: Workload) -> bool:
        """One look at everything; whether anything is left."""
        stopping = not workload.goes_on()
        if stopping:
            while self._waiting:
                workload.ended(self._waiting.pop())
        may_fill = not stopping and self._may_fill()
        if may_fill:
            self._fill(workload)
        if (stopping or may_fill) and not self._at_work and not self._waiting:
            return False
        self._look()
        for watched in list(self._at_work):
            self._attend(workload, watched, stopping)
        return True

    def _may_fill(self) -> bool:
        """Whether the cluster may be given jobs at this moment: not too often, and not right after it refused some."""
        return time.monotonic() >= max(self._not_before, self._submitted + self._cluster.submit_seconds)

    def _fill(self, workload: Workload) -> None:
        """Takes runs while there is room, and submits them together."""
        while len(self._at_work) + len(self._waiting) < self._places and (run := workload.next()) is not None:
            self._take(run)
        by_needs: dict[Needs, list[Run]] = {}
        for run in self._waiting:
            by_needs.setdefault(_needs(run), []).append(run)
        for needs, runs in by_needs.items():
            for first in range(0, len(runs), self._cluster.most):
                if not self._submit(runs[first : first + self._cluster.most], needs):
                    return

    def _take(self, run: Run) -> None:
        """A run with a job that exists, or with a child, is watched; another one is to be submitted."""
        left_behind = self._left_behind.pop(run.id, None)
        if left_behind is not None:
            found, number, job = left_behind
            self._at_work.append(Watched(run, self._cluster, found, number, job))
        elif run.lock.is_held():
            self._waiting.append(run)
        else:  # a child that is in no job of the cluster
            self._at_work.append(Watched(run, self._cluster))

    def _submit(self, runs: Sequence[Run], needs: Needs) -> bool:
        """Submits runs as one array; whether the cluster took it. WorkError where it did not and none is under way."""
        made = array.create(self._store.root, [run.id for run in runs])
        tasks = [self._task(made, number, run) for number, run in enumerate(runs)]
        try:
            jobs = self._cluster.submit(made.folder, tasks, needs)
        except WorkError as error:
            jobs = self._taken_all_the_same(made)
            if not jobs:
                made.remove()
                if not self._at_work:
                    raise
                for run in runs:
                    run.write_log(f"{error}; it waits for others to end")
                self._not_before = time.monotonic() + RETRY_SECONDS
                return False
        self._submitted = time.monotonic()
        self._own.add(made.name)
        for number, (run, job) in enumerate(zip(runs, jobs, strict=True)):
            self._waiting.remove(run)
            self._at_work.append(Watched(run, self._cluster, made, number, job, own=True))
            run.say(f"waits for a node, as {self._cluster.name} {job}")
        return True

    def _taken_all_the_same(self, made: Array) -> list[str]:
        """The jobs of an array whose submission seemed to fail, as when the controller answered too late."""
        standings = self._cluster.standings() or {}
        found = [standings.get(Place(made.name, number)) for number in range(len(made.run_ids))]
        return [standing.job for standing in found if standing is not None] if all(found) else []

    def _task(self, made: Array, number: int, run: Run) -> Task:
        command = tuple(self._command(self._store, run))
        return Task(str(run.path), str(made.report(number)), command, GRACE_SECONDS, self._versions)

    def _look(self) -> None:
        """Asks the cluster which jobs exist, and tells those that are watched."""
        now = time.monotonic()
        if now - self._looked < self._cluster.look_seconds:
            return
        self._looked = now
        standings = self._cluster.standings()
        if standings is not None:
            for watched in self._at_work:
                watched.note(standings)

    def _attend(self, workload: Workload, watched: Watched, stopping: bool) -> None:
        try:
            ended = watched.step(stopping)
        except BadNode as bad:
            if not self._began:
                raise WorkError(str(bad)) from None
            self._cluster.avoid(bad.host)
            self._cluster.cancel([watched.job] if watched.job else [])
            ended, watched.problem = True, str(bad)
        except (WorkError, OSError) as error:
            watched.give_up(str(error))
            return
        self._began = self._began or watched.has_begun
        if ended:
            self._at_work.remove(watched)
            workload.ended(watched.run, watched.problem)

    def _find_left_behind(self) -> None:
        """The jobs of an earlier process that still exist.

        WorkError where the cluster cannot be asked, as runs might be submitted twice.
        """
        arrays = list(array.listed(self._store.root))
        if not arrays:
            return
        standings = self._cluster.standings()
        if standings is None:
            raise WorkError(
                f"the cluster does not say which jobs exist, and runs of {self._store.root} were submitted to it; "
                "give the same command again when squeue answers"
            )
        for found in arrays:
            for number, run_id in enumerate(found.run_ids):
                standing = standings.get(Place(found.name, number))
                if standing is not None:
                    self._left_behind[run_id] = found, number, standing.job

    def _give_up(self) -> None:
        """Cancels all that is under way and waits for it; no run is told to have ended, as none was worked on."""
        for run in self._waiting:
            run.lock.release()
        self._cluster.cancel([watched.job for watched in self._at_work if watched.job])
        deadline = time.monotonic() + _LEAVE_SECONDS
        while self._at_work and time.monotonic() < deadline:
            self._look()
            for watched in list(self._at_work):
                if watched.is_gone:
                    watched.run.lock.release()
                    self._at_work.remove(watched)
            time.sleep(self._cluster.poll_seconds)
        self._waiting.clear()

    def _tidy(self) -> None:
        """Removes the folders of arrays of which no job exists any more: this process's, and old ones of others."""
        deadline = time.monotonic() + _TIDY_SECONDS
        while self._remove_dead_arrays() and time.monotonic() < deadline:
            time.sleep(self._cluster.look_seconds)

    def _remove_dead_arrays(self) -> bool:
        """The same at this moment; whether jobs of this process are just leaving."""
        arrays = [found for found in array.listed(self._store.root) if found.name in self._own or found.age() > _OLD]
        standings = self._cluster.standings() if arrays else None
        if standings is None:
            return False
        alive = {place.array for place in standings}
        for found in arrays:
            if found.name not in alive:
                found.remove()
        return any(found.name in alive for found in arrays if found.name in self._own)


def withdraw(store: Store, cluster: Cluster, run_ids: Collection[str]) -> int:
    """Ends the jobs that exist of some runs, as where the process that submitted them is gone; how many there were."""
    standings = cluster.standings() or {}
    places = {Place(a.name, n): run_id for a in array.listed(store.root) for n, run_id in enumerate(a.run_ids)}
    jobs = [standings[place].job for place, run_id in places.items() if place in standings and run_id in run_ids]
    cluster.cancel(jobs)
    return len(jobs)


def _needs(run: Run) -> Needs:
    threads = run.status().threads
    return Needs(threads or 1, run.spec().device == "cuda")
