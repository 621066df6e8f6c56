"""Nodes whose runs end at once: each writes what a run writes, through the store, and computes nothing.

`python -m benchmarks.many_nodes.nodes RESULTS` is a process that stands for some of them. It reads the ids of runs, a
line each, does what the child process of each does (`engine.jobs.child`), and writes the id when that has ended.
"""

import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO

from benchmarks.dashboard import filling
from engine.jobs import child
from engine.jobs.executors.executor import Workload
from engine.spec.run import RunSpec
from engine.storage.job_folder import Run
from engine.storage.records.event import EndEvent, PhaseEvent, PointEvent, StartEvent
from engine.storage.store import Store

ROOT = Path(__file__).parents[2]
_LOOK_SECONDS = 0.1  # between two questions whether to go on
_ENV = {"cpu": "a simulated node", "threads": 1}


def instant(spec: RunSpec, run: Run) -> None:
    """What a run of one target writes from its start to its end: a baseline, and the target's network."""
    run.say("loading PyTorch")
    run.write_env(_ENV)
    run.append_event(StartEvent(notes=("nothing is computed",), device="cpu"))
    baseline, _, recovered, _ = filling.points(spec, int(spec.digest(), 16))
    for point in (baseline, replace(recovered, point=1)):
        where = {"phase": point.phase, "keep": point.keep, "stage": point.stage}
        run.append_event(PhaseEvent(**where, message="measuring", progress=point.point / 2))
        run.update(progress=point.point / 2, phase=point.phase, message="measuring")
        run.append_point(point)
        run.append_event(PointEvent(**where, point=point.point, top1=point.top1))
    run.append_event(EndEvent())


class SimulatedNodes:
    """The executor: so many runs at once, shared among a few processes of this machine."""

    def __init__(self, root: Path, nodes: int, processes: int) -> None:
        self._root, self._nodes, self._processes = root, nodes, processes
        self._at_work: dict[str, Run] = {}

    @property
    def places(self) -> int:
        """How many nodes there are."""
        return self._nodes

    def execute(self, workload: Workload) -> None:
        """As `Executor` has it."""
        command = (sys.executable, "-m", "benchmarks.many_nodes.nodes", str(self._root))
        with ExitStack() as stack, selectors.DefaultSelector() as answers:
            inputs: list[IO[bytes]] = []
            for _ in range(self._processes):
                process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
                stack.enter_context(process)
                assert process.stdin is not None and process.stdout is not None
                inputs.append(stack.enter_context(process.stdin))  # closed first, by which the process ends
                answers.register(process.stdout, selectors.EVENT_READ)
            self._work(workload, inputs, answers)

    def _work(self, workload: Workload, inputs: list[IO[bytes]], answers: selectors.BaseSelector) -> None:
        number = 0
        while True:
            while workload.goes_on() and len(self._at_work) < self._nodes and (run := workload.next()) is not None:
                self._at_work[run.id] = run
                run.lock.release()
                inputs[number % len(inputs)].write(f"{run.id}\n".encode())
                number += 1
            if not self._at_work:
                return
            for run_id in _ended(answers):
                workload.ended(self._at_work.pop(run_id))


def _ended(answers: selectors.BaseSelector) -> Iterator[str]:
    """The ids of the runs that have ended; of none when a moment has passed."""
    for key, _ in answers.select(_LOOK_SECONDS):
        data = os.read(key.fd, 1 << 16)
        if not data:
            raise RuntimeError("a process of the simulated nodes has died")
        while not data.endswith(b"\n"):
            data += os.read(key.fd, 1 << 16)
        yield from data.decode().split()


def main(root: str) -> None:
    store = Store(Path(root))
    for line in sys.stdin:
        run = store.run(line.strip())
        child.execute(run, instant)
        print(run.id, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
