"""Nodes whose runs end at once: each writes what a run writes, through the store, and computes nothing.

A node is a process of its own. It is told the ids of runs, one after the other, does what the child process of each
does (`engine.jobs.child`), and says when that has ended. Elsewhere it would have a processor of its own: here it has
what the driver and the dashboard leave of theirs.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.dashboard import filling
from engine.jobs import child
from engine.jobs.executors.executor import Workload
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.records.event import EndEvent, PhaseEvent, PointEvent, StartEvent
from engine.storage.store import Store

_LOOK_SECONDS = 0.1  # between two questions whether to go on
_ENV = {"cpu": "a simulated node", "threads": 1}


def instant(spec: RunSpec, run: Run) -> None:
    """What a run of one target writes from its start to its end: a baseline, and the target's network."""
    run.say("loading PyTorch")
    run.write_env(_ENV)
    run.append_event(StartEvent(notes=("nothing is computed",), device="cpu"))
    baseline, _, recovered, _ = filling.points(spec, int(spec.digest(), 16))
    for point in (baseline, replace(recovered, point=1)):
        where: dict[str, Any] = {"phase": point.phase, "keep": point.keep, "stage": point.stage}
        run.append_event(PhaseEvent(**where, message="measuring", progress=point.point / 2))
        run.update(progress=point.point / 2, phase=point.phase, message="measuring")
        run.append_point(point)
        run.append_event(PointEvent(**where, point=point.point, top1=point.top1))
    run.append_event(EndEvent())


@dataclass
class _Node:
    """The process of a node: the way to it, the run that it works on, and its processor seconds until the last end."""

    way: Connection
    run: Run | None = None
    seconds: float = 0.0


class SimulatedNodes:
    """The executor: so many nodes, each with one run at a time. Made ready when it is entered."""

    def __init__(self, root: Path, nodes: int) -> None:
        self._root, self._count = root, nodes
        self._nodes: list[_Node] = []
        self._stack = ExitStack()

    def __enter__(self) -> "SimulatedNodes":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])  # what all of them import
        for _ in range(self._count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, self._root))
            process.start()
            theirs.close()
            self._stack.callback(process.join)
            self._stack.callback(ours.close)  # first, by which the process ends
            self._nodes.append(_Node(ours))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def places(self) -> int:
        """How many nodes there are."""
        return self._count

    def processor_seconds(self) -> float:
        """What all nodes together have used of the processor for their runs."""
        return sum(node.seconds for node in self._nodes)

    def execute(self, workload: Workload) -> None:
        """As `Executor` has it."""
        while True:
            for node in self._nodes:
                if node.run is None and workload.goes_on() and (run := workload.next()) is not None:
                    run.lock.release()
                    node.run = run
                    node.way.send(run.id)
            if all(node.run is None for node in self._nodes):
                return
            ready = wait([node.way for node in self._nodes], _LOOK_SECONDS)
            _hear([node for node in self._nodes if node.way in ready], workload)


def _hear(nodes: Sequence[_Node], workload: Workload) -> None:
    for node in nodes:
        said, node.seconds = node.way.recv()  # EOFError where a node has died, and then so does all of this
        run, node.run = node.run, None
        if run is None or said != run.id:
            raise RuntimeError(f"a simulated node says that {said} has ended, which it was not given")
        workload.ended(run)


def _work(way: Connection, root: Path) -> None:
    """The life of a node."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    store, began = Store(root), time.process_time()
    while True:
        try:
            run_id = way.recv()
        except (EOFError, ConnectionResetError):  # the driver has ended
            return
        child.execute(store.run(run_id), instant)
        way.send((run_id, time.process_time() - began))
