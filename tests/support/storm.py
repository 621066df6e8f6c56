"""Signals at random moments to whoever works on a results folder; another pipeline brings its own commands."""

import functools
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from engine.jobs.worker import worker_of
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.locks import Process
from engine.storage.records.status import ENDED
from engine.storage.store import Store
from tests.support.places import ROOT

SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP)  # SIGCONT follows a SIGSTOP
LONGEST_STOP = 1.0  # seconds between these two

Command = Callable[[], subprocess.Popen[bytes]]


def wait_for(what: Callable[[], Any], seconds: float = 180.0) -> Any:
    """What `what()` comes to as soon as that is true; fails when that takes longer than `seconds`.

    Looks that take long are rarer: what is waited for needs the processor, too.
    """
    end = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if result := what():
            return result
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(max(0.02, 9 * (time.monotonic() - begun)))


def started(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, **options)


def own(store: Store) -> list[dict[str, Any]]:
    """The rows of the user's runs: processes that list the shipped gallery too may share the index."""
    return [row for row in store.runs() if not row["gallery"]]


def child_of(store: Store, *, foreground: bool = False) -> tuple[Run, Process] | None:
    """The run that a child (or a process in the foreground) works on now, and that process."""
    for row in own(store):
        run = store.run(row["run_id"])
        owner = run.lock.owner()
        if owner is not None and run.status_or_new().foreground == foreground:
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
        child = child_of(store)
        if child is not None:
            with suppress(ProcessLookupError):
                os.killpg(child[1].pid, signal.SIGKILL)


@dataclass
class Foreground:
    """Runs in the foreground, one after the other, each by the command that `start` makes of its spec.

    One that a signal ended is resumed by `resume`, as its user would do, and is the queue's from then on.
    """

    store: Store
    specs: list[RunSpec]
    start: Callable[[RunSpec], subprocess.Popen[bytes]]
    resume: Callable[[str], object]
    process: subprocess.Popen[bytes] | None = None

    def attend(self) -> None:
        """Starts the next one when the last one has ended."""
        if self.process is not None:
            if self.process.poll() is None:
                return
            self.process = None
            if self._is_recorded(self.specs[0]):
                self.specs.pop(0)
        if self.specs:
            self.process = self.start(self.specs[0])

    def _is_recorded(self, spec: RunSpec) -> bool:
        """Whether the run came to be, and is resumed where it is not done; else it was ended before it was one."""
        runs = [self.store.run(row["run_id"]) for row in own(self.store) if spec.digest() in row["run_id"]]
        for run in runs:
            if run.status().state != "done":
                self.resume(run.id)
        return bool(runs)


@dataclass
class Storm:
    """Signals to worker, child, dashboard and a run in the foreground, `pauses` seconds apart.

    The dashboard is started again by `dashboard` whenever it has ended. A child is killed again only after its run
    has made a step since: three losses without one are a failure by rule. `feed` is called again and again, to submit,
    and says whether runs are still to come: without it they come by themselves.
    """

    store: Store
    dashboard: Command
    rng: random.Random
    pauses: tuple[float, float] = (0.0, 0.6)
    patience: float = 60.0
    signals: Sequence[signal.Signals] = (signal.SIGKILL,)
    foreground: Foreground | None = None
    feed: Callable[[], bool] = lambda: True
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)  # by target and signal
    _process: subprocess.Popen[bytes] | None = None
    _steps: dict[str, int] = field(default_factory=dict)

    def blow(self, count: int) -> None:
        """Sends `count` signals; the dashboard lives afterwards and is to be ended by `calm`."""
        targets = ("worker", "child", "dashboard", *(("foreground",) if self.foreground else ()))
        self._process = self.dashboard()
        for n in range(count):
            number = self.rng.choice(self.signals)
            target = targets[n] if n < len(targets) else self.rng.choice(targets)
            time.sleep(self.rng.uniform(*self.pauses))
            hit = wait_for(functools.partial(self._send, target, number), self.patience)
            self.sent[hit, number.name] += 1

    def calm(self) -> None:
        """Ends the dashboard."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def by_target(self) -> Counter[str]:
        """How many signals each target got."""
        counts: Counter[str] = Counter()
        for (target, _), count in self.sent.items():
            counts[target] += count
        return counts

    def attend(self) -> bool:
        """Starts again what has ended, the dashboard and the next run in the foreground, and submits what is next.

        Whether runs are still to come.
        """
        coming = self.feed()
        if self._process is None or self._process.poll() is not None:
            self._process = self.dashboard()
        if self.foreground:
            self.foreground.attend()
        return coming or (self.foreground is not None and bool(self.foreground.specs))

    def _send(self, target: str, number: signal.Signals) -> str | None:
        """Which target the signal was sent to: where all runs have ended the dashboard; None when it has to wait."""
        coming = self.attend()
        if target == "foreground" and not (self.foreground and self.foreground.specs):
            target = "child"
        if target in ("worker", "child") and not coming and all_ended(self.store):
            target = "dashboard"
        process: Process | None = getattr(self, f"_{target}")(number)
        if process is None:
            return None
        process.signal(number)
        if number == signal.SIGSTOP:
            time.sleep(self.rng.uniform(0.0, LONGEST_STOP))
            process.signal(signal.SIGCONT)
        return target

    def _worker(self, number: signal.Signals) -> Process | None:
        return worker_of(self.store)

    def _child(self, number: signal.Signals) -> Process | None:
        child = child_of(self.store)
        if child is None:
            return None
        run, process = child
        steps = run.steps()
        if number == signal.SIGKILL:
            if run.id in self._steps and steps <= self._steps[run.id]:
                return None
            self._steps[run.id] = steps
        return process

    def _foreground(self, number: signal.Signals) -> Process | None:
        child = child_of(self.store, foreground=True)
        return None if child is None else child[1]

    def _dashboard(self, number: signal.Signals) -> Process | None:
        return None if self._process is None else Process.of(self._process.pid)
