"""What an executor is asked for, and what it promises: prepared runs, worked on elsewhere or here. No torch.

An executor knows nothing of grids, repetitions or names. It gets run folders that are ready to begin or to go on, has
the child process of each (`engine.jobs.child`) do its work wherever the executor puts it, and says when each has ended.
How it ended stands in the run's own status, which the child wrote.
"""

from typing import Protocol

from engine.storage.folders.run import Run


class Workload(Protocol):
    """The runs that an executor is to work on. It calls these one at a time, from the thread that called `execute`."""

    def next(self) -> Run | None:
        """The next run that waits; None where none does at this moment, which the end of another may change.

        It is asked for only when there is room, so that of ten thousand runs few are open at once. Its folder is in the
        results folder: queued, in the foreground, its request written, and with what an earlier try left, from which
        the child goes on. `status().threads` says how many threads its process computes with; the child sets them.
        `lock` is held by this process (`lock.is_held()`), so that nobody takes the run for lost while it waits for
        room; the executor lets go of it when a child that takes the lock itself is started, and holds on to it for as
        long as a process without access to this file system works. Where the lock is not held and is taken, a child of
        a process that has died is at work already: it is to be watched, and not started again.
        """

    def ended(self, run: Run, problem: str | None = None) -> None:
        """Hear that a run has ended, exactly once for each that `next` gave out.

        No process of it is left by then, and its lock is free or held by this process. A child that was lost leaves the
        status as it was; whether it is tried again is not the executor's to say. `problem` is one sentence, where the
        run could not be started or what it wrote could not be brought back.
        """

    def goes_on(self) -> bool:
        """Whether to go on; asked several times a second, also while nothing happens. Once it says no, it stays so."""


class Executor(Protocol):
    """Works on several runs at once."""

    @property
    def places(self) -> int:
        """How many runs go on at once, at most; for estimates, and to say it."""

    def execute(self, workload: Workload) -> None:
        """Work until nothing waits and nothing is under way.

        A run that carries a cancel mark (`is_cancel_requested`) is stopped politely by a SIGTERM to its child, which
        writes what it goes on from, and by force some seconds later. When the workload does not go on, no run is begun
        any more, all that are under way are stopped in the same way, each is reported, and this returns. WorkError or
        RequestError when no run could be worked on at all, as where there is no connection; whatever is wrong with one
        run is reported with that run, and the others go on.
        """
