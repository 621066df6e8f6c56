"""Kills processes of a results folder at random moments. Whoever tests another pipeline brings its own commands."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.jobs.worker import PROJECT, worker_of
from engine.storage.job_folder import ENDED, Run
from engine.storage.locks import Process
from engine.storage.store import Store


def wait_for(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `what()` comes to as soon as that is true; fails when that takes longer than `seconds`."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.01)
    return found


def started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.DEVNULL)


def own(store: Store) -> list[dict[str, Any]]:
    """The rows of the user's runs: processes that list the shipped gallery too may share the index."""
    return [row for row in store.runs() if not row["gallery"]]


def child_of(store: Store) -> tuple[Run, Process] | None:
    """The run that a child works on now, and that child."""
    for row in own(store):
        run = store.run(row["run_id"])
        owner = run.lock.owner()
        if owner is not None:
            return run, owner
    return None


def all_ended(store: Store) -> bool:
    return all(row["state"] in ENDED for row in own(store))


@contextmanager
def cleaned(store: Store) -> Iterator[None]:
    """Ends the worker and the children of this results folder, whatever happens."""
    try:
        yield
    finally:
        worker = worker_of(store)
        if worker is not None:
            worker.signal(signal.SIGKILL)
        found = child_of(store)
        if found is not None:
            os.killpg(found[1].pid, signal.SIGKILL)


@dataclass
class Storm:
    """Kills worker, child and dashboard by -9, `pauses` seconds apart; the dashboard is started again by `dashboard`.

    A child is killed again only after its run has made a step since: three losses without one are a failure by rule.
    """

    store: Store
    dashboard: Callable[[], subprocess.Popen[bytes]]
    rng: random.Random
    pauses: tuple[float, float] = (0.0, 0.6)
    patience: float = 60.0
    killed: dict[str, int] = field(default_factory=lambda: {"worker": 0, "child": 0, "dashboard": 0})
    _process: subprocess.Popen[bytes] | None = None
    _steps: dict[str, int] = field(default_factory=dict)

    def blow(self, kills: int) -> None:
        """Kills `kills` times; the dashboard lives afterwards and is to be ended by `calm`."""
        self._process = self.dashboard()
        for n in range(kills):
            target = ("worker", "child", "dashboard")[n % 3 if n < 3 else self.rng.randrange(3)]
            time.sleep(self.rng.uniform(*self.pauses))
            wait_for(getattr(self, f"_{target}"), self.patience)
            self.killed[target] += 1

    def calm(self) -> None:
        """Ends the dashboard."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _worker(self) -> bool:
        worker = worker_of(self.store)
        if worker is not None:
            worker.signal(signal.SIGKILL)
        return worker is not None

    def _child(self) -> bool:
        found = child_of(self.store)
        if found is None:
            return False
        run, process = found
        steps = run.steps()
        if run.id in self._steps and steps <= self._steps[run.id]:
            return False
        self._steps[run.id] = steps
        process.signal(signal.SIGKILL)
        return True

    def _dashboard(self) -> bool:
        self.calm()
        self._process = self.dashboard()
        return True
