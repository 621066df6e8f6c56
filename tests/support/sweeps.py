"""Sweeps of stand-in runs, in this process, in children or on a cluster.

`python -m tests.support.sweeps RESULTS COUNT EPOCHS [slurm]` is the process of one.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.jobs import child
from engine.jobs.crew import Stop
from engine.jobs.executors.executor import Executor, Workload
from engine.jobs.executors.local import LocalExecutor
from engine.jobs.executors.slots import Slot
from engine.jobs.executors.slurm.executor import SubmititExecutor
from engine.jobs.executors.slurm.request import Request
from engine.jobs.executors.slurm.submission import SlurmCluster
from engine.jobs.signals import handle_signals
from engine.jobs.sweep import inventory, place
from engine.jobs.sweep.driver import Driver
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import standin

NAME = "stand-ins"


@dataclass
class InlineExecutor:
    """Works on one run after the other in this very process; `pipelines` are those of the first runs, then `usual`."""

    usual: Callable[[Any, Run], None] = standin.quick
    pipelines: Sequence[Callable[[Any, Run], None]] = ()
    begun: list[str] = field(default_factory=list)
    places: int = 1
    meanwhile: Callable[[], None] = lambda: None  # between letting go of a run's lock and its child's taking it

    def execute(self, workload: Workload) -> None:
        while workload.goes_on() and (run := workload.next()) is not None:
            number = len(self.begun)
            self.begun.append(run.id)
            run.lock.release()
            self.meanwhile()
            child.execute(run, self.pipelines[number] if number < len(self.pipelines) else self.usual)
            workload.ended(run)


def driver_of(store: Store, specs: Sequence[RunSpec], *, retry_failed: bool = False, **more: Any) -> Driver:
    """The driver of what is left."""
    listed = inventory.entries(store, NAME, specs)
    done = sum(entry.standing == "done" for entry in listed)
    failed = 0 if retry_failed else sum(entry.standing == "failed" for entry in listed)
    left = inventory.to_do(listed, retry_failed=retry_failed)
    return Driver(store, NAME, 1, done, failed, left, **more)


def drive(store: Store, specs: Sequence[RunSpec], executor: Executor, **more: Any) -> Driver:
    """Works on what is left; the driver, which knows how it ended."""
    driver = driver_of(store, specs, **more)
    executor.execute(driver)
    return driver


def on_slurm(store: Store, places: int = 2, kind: str = "steady") -> SubmititExecutor:
    """Jobs of the SLURM whose commands are in PATH, which is asked often."""
    cluster = SlurmCluster(Request())
    cluster.look_seconds, cluster.report_seconds, cluster.submit_seconds = 0.2, 0.0, 0.0
    return SubmititExecutor(store, cluster, places, standin.child_command(kind))


def main(root: str, count: str, epochs: str, on: str = "local") -> int:
    store, stop = Store(Path(root), gallery=Path(root) / "gallery"), Stop()
    specs = [standin.make_spec(seed, int(epochs)) for seed in range(int(count))]
    here = LocalExecutor(store, (Slot(), Slot()), standin.child_command("steady"))
    executor: Executor = on_slurm(store) if on == "slurm" else here
    with place.driving(store, NAME), handle_signals(stop):
        drive(store, specs, executor, stopped=lambda: stop.requested)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
