"""What a job does on its node: it takes a run over from the executor and has the run's child work on it. No torch.

submitit writes a `Task` into the job's folder and calls it on the node. The child is the one that works here, too, and
it takes the run's lock from there, by way of the file system that all share. Nothing of what a job does depends on the
executor's being alive.
"""

import os
import platform
import signal
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from engine.jobs.child_process import start
from engine.jobs.executors.slurm import report
from engine.jobs.executors.slurm.report import Report
from engine.jobs.executors.versions import differences, versions
from engine.storage.folders import contents
from engine.storage.locks import Lock

HANDOVER_SECONDS = 600.0  # in which whoever holds a run's lock lets go of it
_POLL_SECONDS = 0.05


@dataclass
class _Signals:
    """What was asked for since the job began: to stop, or to go back into the cluster's queue."""

    stop: bool = False
    requeue: bool = False

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop = True

    def on_requeue(self, number: int, frame: FrameType | None) -> None:
        self.requeue = True

    @property
    def any(self) -> bool:
        return self.stop or self.requeue


@dataclass(frozen=True)
class _Run:
    """As much of a run as is needed beside its child. What reads requests takes a third of a second to import."""

    path: Path
    lock: Lock

    def log_file(self) -> AbstractContextManager[int]:
        return contents.opened_log(self.path)

    def is_cancel_requested(self) -> bool:
        return os.path.lexists(self.path / contents.CANCEL_MARK)


@dataclass(frozen=True)
class Task:
    """One job: its run's folder, the file of its report, the argument vector of the child, which has `grace` seconds to
    end, and the versions of who submitted it.
    """

    run: str
    report: str
    command: tuple[str, ...]
    grace: float
    versions: Mapping[str, str]

    def __call__(self) -> None:
        """Works until the run's child has ended, or until the cluster wants the node back.

        In that case submitit's own handler is called once the child has kept what it goes on from: it puts the job back
        into the cluster's queue, and ends this process.
        """
        signals = _Signals()
        requeue = signal.signal(signal.SIGUSR2, signals.on_requeue)  # submitit's handler until now
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signals.on_stop)
        self._work(signals)
        if signals.requeue and not signals.stop and callable(requeue):
            requeue(signal.SIGUSR2, None)

    def checkpoint(self) -> Any:
        """What submitit starts in its place when the job is started once more: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _work(self, signals: _Signals) -> None:
        place = Path(self.report)
        before, host = report.read(place), platform.node()
        now = Report(1 if before is None else before.starts + 1, host, "waits", saw_lock=False)
        other = differences(versions(), self.versions)
        if other:
            report.write(place, now.changed("refused", f"the node {host} has {other}; give both the same versions"))
            return
        folder = Path(self.run)
        run = _Run(folder, Lock(folder / contents.LOCK))
        now = Report(now.starts, host, "waits", saw_lock=run.lock.is_taken())
        report.write(place, now)
        if not _take_over(run, signals):
            held = f"another process holds the run's lock, as the node {host} sees it; end it, or wait for it"
            report.write(place, now.changed("requeued" if signals.requeue else "ended", None if signals.any else held))
            return
        if now.starts > 1:
            _settle_lost(folder)
        report.write(place, now.changed("works"))
        self._watch(run, signals)
        report.write(place, now.changed("requeued" if signals.requeue and not signals.stop else "ended"))

    def _watch(self, run: _Run, signals: _Signals) -> None:
        child = start(run, self.command)
        while not child.has_ended():
            if signals.any or run.is_cancel_requested():
                child.stop(self.grace)
            time.sleep(_POLL_SECONDS)


def _take_over(run: _Run, signals: _Signals) -> bool:
    """Waits until nobody holds the run; whether that came to be."""
    deadline = time.monotonic() + HANDOVER_SECONDS
    while run.lock.is_taken():
        if signals.any or time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return not signals.any


def _settle_lost(folder: Path) -> None:
    """Has a run wait again that says it runs: its child was lost with its node, and SLURM has started the job again."""
    from engine.jobs.queue import handle_crash
    from engine.storage.folders.run import Run

    run = Run(folder)
    with run.lock.holding() as acquired:
        if acquired and run.status_or_new().state == "running":
            handle_crash(run, foreground=True)
