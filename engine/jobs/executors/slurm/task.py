"""What a job does on its node: it takes a run over from the executor and has the run's child work on it. No torch.

submitit writes a `Task` into the job's folder and calls it on the node. The child is the one that works here, too, and
it takes the run's lock from there, by way of the file system that all share. Nothing of what a job does depends on the
executor's being alive.
"""

import platform
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from engine.errors import RequestError, WorkError
from engine.jobs.child_process import start
from engine.jobs.executors.slurm import report
from engine.jobs.executors.slurm.report import Report
from engine.jobs.executors.versions import differences, versions
from engine.jobs.queue import handle_crash
from engine.jobs.worker import GRACE_SECONDS, child_command
from engine.storage.job_folder import Run
from engine.storage.records.status import ENDED
from engine.storage.store import Store

HANDOVER_SECONDS = 600.0  # in which whoever holds a run's lock lets go of it
_POLL_SECONDS = 0.05
Command = Callable[[Store, Run], list[str]]


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
class Task:
    """One job: its run, where its report goes, and the versions of the executor that it was submitted by."""

    results: str
    run_id: str
    report: str
    versions: Mapping[str, str] = field(default_factory=versions)
    command: Command = child_command

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
        store = Store(Path(self.results))
        try:
            run = store.run(self.run_id)
        except (RequestError, WorkError) as error:
            sentence = f"the node {host} does not see the run in {self.results}: {error}"
            report.write(place, now.changed("refused", sentence))
            return
        now = Report(now.starts, host, "waits", saw_lock=run.lock.is_taken())
        report.write(place, now)
        if not _take_over(run, signals):
            held = f"another process holds the lock of {run.id}, as the node {host} sees it; end it, or wait for it"
            report.write(place, now.changed("requeued" if signals.requeue else "ended", None if signals.any else held))
            return
        report.write(place, now.changed("works"))
        self._watch(store, run, signals)
        report.write(place, now.changed("requeued" if signals.requeue and not signals.stop else "ended"))

    def _watch(self, store: Store, run: Run, signals: _Signals) -> None:
        child = start(run, self.command(store, run))
        while not child.has_ended():
            if signals.any or run.is_cancel_requested():
                child.stop(GRACE_SECONDS)
            time.sleep(_POLL_SECONDS)


def _take_over(run: Run, signals: _Signals) -> bool:
    """Waits until nobody holds the run, and has it ready for a child; whether that came to be.

    One whose child was lost with its node, in a job that the cluster itself has started again, still says that it runs.
    """
    deadline = time.monotonic() + HANDOVER_SECONDS
    while run.lock.is_taken():
        if signals.any or time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    if run.status_or_new().state in ENDED:
        return not signals.any  # the child says so itself
    with run.lock.holding() as acquired:
        if acquired and run.status().state == "running":
            handle_crash(run, foreground=True)
    return not signals.any
