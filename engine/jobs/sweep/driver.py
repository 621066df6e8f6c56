"""The process of a sweep: what is to be done next, what has come back, and how far the whole is. No torch."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from engine.errors import RequestError, WorkError
from engine.jobs.sweep.folders import close, prepare
from engine.jobs.sweep.inventory import Entry
from engine.storage.folders.run import Run
from engine.storage.records.status import State
from engine.storage.store import Store

LOOK_SECONDS = 1.0  # between two looks at how far the runs under way are


@dataclass(frozen=True)
class Ended:
    """A run that has come back: how, and after how many seconds under way; `error` where it failed."""

    entry: Entry
    run_id: str
    state: State
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class Tally:
    """How far a sweep is: of `total` runs so many are done (some before), failed, under way; and seconds that are left.

    `left` is None until anything is known of how long runs take.
    """

    total: int
    done: int
    failed: int
    cancelled: int
    running: int
    left: float | None


@dataclass
class _Begun:
    entry: Entry
    run: Run
    at: float
    behind: float  # the progress that it came with
    progress: float


@dataclass
class Driver:
    """A sweep's `Workload`: gives out what is left to do, and hears of what has ended.

    `tell` hears of every run that has come back, `show` how far the whole is; `stopped` says whether to stop. What
    keeps all runs from being prepared, as a full disk does, stops the sweep and is `problem` then.
    """

    store: Store
    name: str
    threads: int
    done: int  # before this process
    failed: int
    left: Iterable[Entry]
    check_room: Callable[[Entry], None] = lambda entry: None  # WorkError where the disk is too full for one more
    stopped: Callable[[], bool] = lambda: False
    tell: Callable[[Ended, Tally], None] = lambda ended, tally: None
    show: Callable[[Tally], None] = lambda tally: None
    later: int = 0  # runs of the same whole that another driver gives out after this one
    problem: WorkError | RequestError | None = None
    counts: Counter[str] = field(default_factory=Counter)
    given: dict[str, None] = field(default_factory=dict)  # the ids of the runs that were given out, in that order
    failures: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = deque(self.left)
        self._total = self.done + self.failed + len(self._waiting) + self.later
        self._begun: dict[str, _Begun] = {}
        self._began, self._looked = time.monotonic(), 0.0
        self._behind = 0.0  # runs that this process has brought to their end, those that had begun in part
        # Kept as entries come and go: of ten thousand, a sum at each end of a run would take longer than all else.
        self._ahead = sum(map(_work_of, self._waiting))  # runs that wait, those that have begun in part

    @property
    def run_ids(self) -> list[str]:
        """The runs that were given out, each once."""
        return list(self.given)

    def next(self) -> Run | None:
        """As `Workload` has it."""
        while self._waiting and self.problem is None:
            entry = self._waiting[0]
            try:
                self.check_room(entry)
                run = prepare(self.store, entry, self.name, self.threads)
            except (WorkError, RequestError) as error:
                self.problem = error  # the disk is full, or the folder is gone: the next run would fare no better
                return None
            self._waiting.popleft()
            self._ahead -= _work_of(entry)
            if run is None:
                self.counts["done"] += 1
                continue
            behind = entry.progress if entry.run_id is not None else 0.0
            self._begun[run.id] = _Begun(entry, run, time.monotonic(), behind, behind)
            self.given[run.id] = None
            return run
        return None

    def ended(self, run: Run, problem: str | None = None) -> None:
        """As `Workload` has it."""
        begun = self._begun.pop(run.id)
        seconds = time.monotonic() - begun.at
        try:
            state = close(run, problem, stopped=not self.goes_on())
            error = run.status().error
        except (WorkError, RequestError) as unreadable:
            state, error = "failed", str(unreadable)
        if state == "queued":
            again = replace(begun.entry, run_id=run.id, state="queued", progress=begun.progress)
            self._waiting.appendleft(again)
            self._ahead += _work_of(again)
            return
        self.counts[state] += 1
        self._behind += 1 - begun.behind if state != "interrupted" else begun.progress - begun.behind
        ended = Ended(begun.entry, run.id, state, seconds, error)
        if state == "failed":
            self.failures.append(ended)
        self.tell(ended, self.tally())

    def goes_on(self) -> bool:
        """As `Workload` has it; the place where the whole is looked at."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
            self.show(self.tally())
        return not self.stopped() and self.problem is None

    def tally(self) -> Tally:
        """How far the sweep is."""
        return Tally(
            self._total,
            self.done + self.counts["done"],
            self.failed + self.counts["failed"],
            self.counts["cancelled"],
            len(self._begun),
            self._seconds_left(),
        )

    def _look(self) -> None:
        for begun in self._begun.values():
            with suppress(WorkError):  # being replaced, or damaged: the run itself will say so
                begun.progress = max(begun.progress, begun.run.status().progress)

    def _seconds_left(self) -> float | None:
        """At the pace so far: runs differ, so it is no more than about right."""
        passed = self._behind + sum(begun.progress - begun.behind for begun in self._begun.values())
        if passed <= 0:
            return None
        waiting = self._ahead if self._waiting else 0.0  # and not what rounding has left of it
        ahead = waiting + self.later + sum(1 - begun.progress for begun in self._begun.values())
        return ahead / passed * (time.monotonic() - self._began)


def _work_of(entry: Entry) -> float:
    """What is left to do of an entry, in runs."""
    return 1.0 - entry.progress if entry.run_id is not None else 1.0
