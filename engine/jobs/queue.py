"""The queue: which runs wait, and every change of a run's state that its own process does not make. No torch.

A run waits when its folder says so; the index only makes that quick to ask. Whoever changes a status holds the run's
lock, which a child process holds for its whole life: so no run is started, cancelled or resumed under a living child.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine import files
from engine.errors import RequestError, WorkError
from engine.folder import ENDED, STATES, Run
from engine.spec import RunSpec
from engine.store import Store

MAX_CRASHES = 3
_OWN = "SELECT run_id FROM runs WHERE NOT gallery AND "
_WAITING = _OWN + "NOT foreground AND state = 'queued' ORDER BY queued, run_id"
_UNENDED = _OWN + "NOT foreground AND state IN ('queued', 'running', 'interrupted') ORDER BY queued, run_id"
_STRAY = _OWN + "(state IN ('running', 'interrupted') OR state = 'queued' AND foreground) ORDER BY queued, run_id"


@dataclass(frozen=True)
class Queue:
    """The queue of a results folder. Any number of processes may use it at once."""

    store: Store

    def submit(self, spec: RunSpec) -> Run:
        """Puts a run in the queue: there, in the index too, when this returns; nothing is left when it raises."""
        run = self.store.create(spec)
        try:
            self.store.note(run)
        except WorkError:
            self.store.delete(run.id)
            raise
        return run

    def cancel(self, run_id: str) -> None:
        """Cancels a run: at once when nobody works on it, else its process is told to stop and the worker sees to it.

        RequestError when it has ended already or is a gallery run.
        """
        run = self._own(run_id, "cancelled")
        if run.lock.owner() is None:
            with run.lock.holding(wait=1.0) as mine:
                if mine:
                    self._refuse_ended(run)
                    run.end("cancelled", "cancelled while nobody worked on it")
                    return
        self._refuse_ended(run)
        with files.told(run.cancel_mark):
            run.cancel_mark.touch()
        owner = run.lock.owner()
        if owner is not None:
            owner.signal(signal.SIGTERM)

    def resume(self, run_id: str) -> Run:
        """Puts an interrupted, failed or cancelled run back at the queue's end; it goes on from its last step.

        So is one that says it is running, when the process that said so is gone.
        """
        run = self._own(run_id, "resumed")
        state = run.status()["state"]
        refusal = f"{run_id} is {state}; only an interrupted, failed or cancelled run can be resumed"
        if state in ("queued", "done"):
            raise RequestError(refusal)
        # A child that has just ended may still be leaving.
        with run.lock.holding(wait=0.0 if state == "running" else 5.0) as mine:
            if not mine and state == "running":
                raise RequestError(refusal)
            if not mine:
                raise RequestError(f"{run_id} is still being worked on; try again in a moment")
            with files.told(run.cancel_mark):
                run.cancel_mark.unlink(missing_ok=True)
            self._requeue(run, "waiting to go on from its last finished step", crashes=0)
        return run

    def counts(self) -> dict[str, int]:
        """How many of the user's runs are in each state, every state named."""
        rows = self.store.index.query("SELECT state, count(*) FROM runs WHERE NOT gallery GROUP BY state")
        return {**dict.fromkeys(STATES, 0), **{str(state): int(count) for state, count in rows}}

    def waiting(self) -> list[str]:
        """The ids of the queued runs in the order in which they will start."""
        return [run_id for (run_id,) in self.store.index.query(_WAITING)]

    # -- for the worker, of which there is one

    def next(self) -> Run | None:
        """The run that is to start now."""
        for run in self._runs(_WAITING):
            with _unless_deleted(run):
                if run.cancel_mark.exists():
                    self.settle(run)
                elif not run.lock.taken():
                    return run
        return None

    def living(self) -> Run | None:
        """A run of the queue that a child works on already: one to watch instead of starting another."""
        for run in self._runs(_UNENDED):
            with _unless_deleted(run):
                if run.lock.taken():
                    return run
        return None

    def reconcile(self) -> None:
        """Brings every run whose process is gone to the state it is to have: cancelled, queued again, or failed."""
        self.store.sweep()
        for run in self._runs(_STRAY):
            with _unless_deleted(run):
                if not run.lock.taken():
                    self.settle(run)

    def settle(self, run: Run, *, lost: bool = False) -> None:
        """The same for one run, nothing while a process works on it; `lost`: a child ended before it set a state."""
        with _unless_deleted(run), run.lock.holding() as mine:
            if not mine:
                return
            status = run.status()
            state, foreground = status["state"], status.get("foreground", False)
            if state in ENDED:
                return
            if run.cancel_mark.exists():
                run.end("cancelled", "cancelled; resume goes on from its last finished step")
            elif foreground:
                if state != "interrupted":
                    run.end("interrupted", "its process was lost; resume goes on from its last finished step")
            elif state == "interrupted":
                self._requeue(run, "was interrupted; goes on from its last finished step")
            elif state == "running" or lost:
                self._crashed(run)

    def _crashed(self, run: Run) -> None:
        try:
            status, steps = run.status(), run.steps()
        except WorkError as error:
            run.end("failed", str(error))
            return
        crashes = 1 if steps > status.get("steps", 0) else status.get("crashes", 0) + 1
        run.event("interrupted", crashes=crashes)
        if crashes >= MAX_CRASHES:
            sentence = f"its process was lost {crashes} times without a step in between; log.txt may say why"
            run.end("failed", sentence)
        else:
            self._requeue(
                run, "its process was lost; goes on from its last finished step", crashes=crashes, steps=steps
            )

    @staticmethod
    def _requeue(run: Run, message: str, **more: int) -> None:
        times = {"queued": time.time(), "finished": None}
        run.update(state="queued", message=message, error=None, foreground=False, times=times, **more)

    def _own(self, run_id: str, verb: str) -> Run:
        run = self.store.run(run_id)
        if run.gallery:
            raise RequestError(f"{run_id} is a gallery run, shipped with the project; it cannot be {verb}")
        return run

    def _runs(self, sql: str) -> list[Run]:
        return [Run(self.store.folder / run_id) for (run_id,) in self.store.index.query(sql)]

    @staticmethod
    def _refuse_ended(run: Run) -> None:
        state = run.status()["state"]
        if state in ENDED:
            raise RequestError(
                f"{run.id} is {state} already; only a queued, running or interrupted run can be cancelled"
            )


@contextmanager
def _unless_deleted(run: Run) -> Iterator[None]:
    """What goes wrong inside does not matter when the run was deleted since it was listed."""
    try:
        yield
    except WorkError:
        if run.path.exists():
            raise
