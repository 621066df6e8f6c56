"""Runs on a Ray cluster, each a task on a node; what they write comes back into the results folder as they go on."""

import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.errors import RequestError, WorkError
from engine.jobs.child_process import Child
from engine.jobs.executors.executor import Workload
from engine.jobs.executors.ray import bootstrap, nodes
from engine.jobs.executors.ray.cluster import Cluster, LostError, Task
from engine.jobs.executors.ray.fleet import Fleet
from engine.jobs.executors.ray.nodes import Node
from engine.jobs.executors.ray.orders import Orders
from engine.jobs.executors.ray.pieces import Inbox
from engine.jobs.worker import GRACE_SECONDS
from engine.storage.folders.run import Run
from engine.storage.store import Store

POLL_SECONDS = 0.1
BEAT_SECONDS = 0.5  # in which a node tells what is new of a run, where there are few
BEATS_A_SECOND = 200  # of all runs together, at most
_FORCE_SECONDS = 20.0  # after the grace, in which a node that was told to stop a run says that it has
_MOST_TRIES = 5  # of a run whose task is lost before it has begun
_CHILD = ("engine.jobs.executors.ray.tether",)


def tell(sentence: str) -> None:
    """Says something on stderr."""
    print(sentence, file=sys.stderr, flush=True)


@dataclass
class _Begun:
    """A run on its way: its task, what has come back, and whether it was asked to stop."""

    run: Run
    task: Task
    inbox: Inbox
    attempt: str
    threads: int
    at_work: bool = False
    asked: str | None = None
    asked_at: float = 0.0
    forced: bool = False
    problem: str | None = None


class RayExecutor:
    """The nodes of a cluster, as many runs at once as they have cores for; `most` at most.

    `needs` are the bytes of a GPU's memory that each kind of run takes. `command` is the module, and its first
    arguments, that a run's process is; `packages` are sent to the nodes.
    """

    def __init__(
        self,
        store: Store,
        threads: int = 1,
        needs: Sequence[int] = (),
        most: int | None = None,
        address: str | None = None,
        *,
        say: Callable[[str], None] = tell,
        grace: float = GRACE_SECONDS,
        command: Sequence[str] = _CHILD,
        packages: Sequence[str] = ("engine",),
    ) -> None:
        self._threads, self._needs, self._most = threads, tuple(needs), most
        self._grace = grace
        self._cluster = Cluster(address)
        self._fleet = Fleet(self._cluster, say)
        self._orders = Orders(store, self._cluster, grace, tuple(command), tuple(packages))
        self._begun: list[_Begun] = []
        self._watched: list[tuple[Run, Child[Run]]] = []
        self._again: list[Run] = []  # whose tasks were lost before they had begun
        self._tries: Counter[str] = Counter()

    @property
    def places(self) -> int:
        """How many runs go on at once, with the nodes that there are now."""
        self._fleet.connect()
        share = self._gpu_share()
        room = sum(node.room(self._threads, share) for node in self._fleet.used)
        return min(room, self._most or room)

    def execute(self, workload: Workload) -> None:
        """As `Executor` has it."""
        self._fleet.connect()
        try:
            self._work(workload)
        finally:
            self._fleet.leave()
            self._orders.forget()

    def _work(self, workload: Workload) -> None:
        stopping = False
        while True:
            stopping = stopping or not workload.goes_on()
            self._fleet.look()
            if stopping:
                self._give_back(workload)
            waits = not stopping and self._fill(workload)
            if not self._begun and not self._watched and not waits:
                return
            self._cluster.wait([begun.task for begun in self._begun], POLL_SECONDS)
            for begun in list(self._begun):
                self._receive(workload, begun)
                self._mind(begun, stopping)
            self._watch(workload, stopping)

    # -- what is begun

    def _gpu_share(self) -> float:
        return nodes.gpu_share(self._needs, self._fleet.used)

    def _fill(self, workload: Workload) -> bool:
        """Starts runs while there is room for the next one; whether one waits for a node, of which there is none."""
        while self._most is None or len(self._begun) + len(self._watched) < self._most:
            if self._fleet.used and self._choose(self._threads, self._gpu_share()) is None:
                return False
            run = self._again.pop(0) if self._again else workload.next()
            if run is None:
                return False
            if not run.lock.is_held():  # a process on this computer that an earlier sweep has left behind
                self._watched.append((run, Child(run, None)))
            elif not self._fleet.used:
                self._again.append(run)
                self._wait_for_nodes()
                return True
            else:
                self._give(workload, run)
        return False

    def _wait_for_nodes(self) -> None:
        """WorkError where nothing goes on any more, and there has been no node for long."""
        if not self._begun and not self._watched and self._fleet.is_given_up():
            for run in self._again:
                run.lock.release()
            raise WorkError(
                "the Ray cluster has lost every node that can be used; the same command goes on when it has one again"
            )

    def _give(self, workload: Workload, run: Run) -> None:
        try:
            self._begun.append(self._start(run))
        except (WorkError, RequestError, OSError) as error:
            workload.ended(run, str(error))

    def _choose(self, threads: int, share: float) -> Node | None:
        at_work: dict[str, list[int]] = {}
        for begun in self._begun:
            at_work.setdefault(begun.task.node.id, []).append(begun.threads)
        return nodes.choose(self._fleet.used, at_work, threads, share)

    def _start(self, run: Run) -> _Begun:
        threads = run.status().threads or self._threads
        spec = run.spec()
        share = 0.0 if spec.device == "cpu" else self._gpu_share()
        node = self._choose(threads, share) or self._large_enough(threads)
        beat = max(BEAT_SECONDS, self.places / BEATS_A_SECOND)
        attempt = f"{run.id}-{uuid.uuid4().hex[:8]}"
        order = self._orders.order_of(run, spec, attempt, beat)
        task = self._cluster.start(node, *self._orders.code(), order, threads, share)
        return _Begun(run, task, Inbox(run), attempt, threads)

    def _large_enough(self, threads: int) -> Node:
        """A node whose cores will be enough when they are free; RequestError where there is none."""
        reason = nodes.too_small(self._fleet.used, threads)
        if reason is not None:
            raise RequestError(reason)
        return max(self._fleet.used, key=lambda node: node.cpus)

    # -- what comes back

    def _receive(self, workload: Workload, begun: _Begun) -> None:
        try:
            for message in begun.task.messages():
                if message is None:
                    self._end(workload, begun)
                    return
                self._put(begun, *message)
        except LostError as error:
            self._fleet.doubt(begun.task.node)
            with suppress(WorkError):
                begun.run.write_log(f"lost on the node {begun.task.node.host}: {error}")
            self._end(workload, begun, lost=True)
        except WorkError as error:
            begun.problem = begun.problem or str(error)
            self._end(workload, begun)

    def _put(self, begun: _Begun, kind: str, content: Any) -> None:
        """Minds a message; where what has come cannot be written here the run is stopped, and its problem told."""
        try:
            if kind == "begun":
                begun.at_work = True
                processor = begun.task.node.processor
                begun.run.write_log(f"given to the node {content} ({processor})")
            elif kind == "problem":
                begun.problem = content
            elif begun.problem is None:
                begun.inbox.put(content)
        except WorkError as error:
            begun.problem = str(error)
            self._ask(begun, bootstrap.STOP)

    def _end(self, workload: Workload, begun: _Begun, *, lost: bool = False) -> None:
        """Reports a run; one that was lost before it had begun goes to another node, which is none of its business."""
        begun.inbox.close()
        self._begun.remove(begun)
        self._tries[begun.run.id] += 1
        if lost and not begun.at_work and begun.asked is None and self._tries[begun.run.id] < _MOST_TRIES:
            self._again.append(begun.run)
            return
        del self._tries[begun.run.id]
        workload.ended(begun.run, begun.problem)

    def _give_back(self, workload: Workload) -> None:
        while self._again:
            workload.ended(self._again.pop())

    def _mind(self, begun: _Begun, stopping: bool) -> None:
        """Stops a run politely, and by force where that takes too long."""
        if begun not in self._begun:
            return
        if begun.run.is_cancel_requested():
            self._ask(begun, bootstrap.CANCEL)
        elif stopping:
            self._ask(begun, bootstrap.STOP)
        overdue = time.monotonic() - begun.asked_at > self._grace + _FORCE_SECONDS
        if begun.asked is not None and overdue and not begun.forced:
            begun.forced = True
            begun.task.cancel(force=True)

    def _ask(self, begun: _Begun, word: str) -> None:
        if begun.asked is None:
            begun.asked, begun.asked_at = word, time.monotonic()
            if begun.at_work:
                self._cluster.stop(begun.task.node, begun.attempt, word)
            else:
                begun.task.cancel(force=False)

    def _watch(self, workload: Workload, stopping: bool) -> None:
        for run, child in list(self._watched):
            problem = None
            try:
                ended = child.has_ended()
                if not ended and (stopping or run.is_cancel_requested()):
                    child.stop(self._grace)
            except OSError as error:
                ended, problem = True, str(error)
            if ended:
                self._watched.remove((run, child))
                workload.ended(run, problem)
