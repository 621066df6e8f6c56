"""Runs on this computer: a child process each, as many at once as there are slots. No torch."""

import time
from collections.abc import Mapping, Sequence

from engine.errors import WorkError
from engine.jobs.child_process import Child, start
from engine.jobs.crew import Command
from engine.jobs.executors.executor import Workload
from engine.jobs.executors.slots import Slot
from engine.jobs.worker import GRACE_SECONDS, child_command
from engine.storage.folders.run import Run
from engine.storage.store import Store

POLL_SECONDS = 0.1


class LocalExecutor:
    """Children of this process. Those that outlive it, as when it is killed, are watched by the next one."""

    def __init__(
        self, store: Store, slots: Sequence[Slot], command: Command = child_command, grace: float = GRACE_SECONDS
    ) -> None:
        self._store, self._slots, self._command, self._grace = store, tuple(slots), command, grace
        self._at_work: dict[int, tuple[Run, Child[Run]]] = {}  # by the slot's place

    @property
    def places(self) -> int:
        """How many runs go on at once."""
        return len(self._slots)

    def execute(self, workload: Workload) -> None:
        """As `Executor` has it."""
        stopping = False
        while True:
            stopping = stopping or not workload.goes_on()
            if not stopping:
                self._fill(workload)
            if not self._at_work:
                return
            self._watch(workload, stopping)
            time.sleep(POLL_SECONDS)

    def _fill(self, workload: Workload) -> None:
        """Starts runs while there is room for the next one."""
        while len(self._at_work) < len(self._slots) and (run := workload.next()) is not None:
            place = next(place for place in range(len(self._slots)) if place not in self._at_work)
            self._begin(workload, run, place)

    def _begin(self, workload: Workload, run: Run, place: int) -> None:
        if not run.lock.is_held():  # a child of a process that was killed goes on by itself
            self._at_work[place] = run, Child(run, None)
            return
        run.lock.release()
        try:
            child = start(run, self._command(self._store, run), _environment(self._slots[place]))
        except (WorkError, OSError) as error:
            workload.ended(run, str(error))
        else:
            self._at_work[place] = run, child

    def _watch(self, workload: Workload, stopping: bool) -> None:
        for place, (run, child) in list(self._at_work.items()):
            try:
                if child.has_ended():
                    del self._at_work[place]
                    workload.ended(run)
                elif stopping or run.is_cancel_requested():
                    child.stop(self._grace)
            except OSError as error:
                del self._at_work[place]
                workload.ended(run, str(error))


def _environment(slot: Slot) -> Mapping[str, str]:
    return {} if not slot.gpu else {"CUDA_VISIBLE_DEVICES": slot.gpu}
