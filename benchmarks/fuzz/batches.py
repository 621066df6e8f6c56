"""Batches of inputs, each in a process of its own: its memory is measured, and it may hang or die."""

import faulthandler
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.fuzz.kinds import BATCH, COUNT, FEWER, load
from benchmarks.fuzz.trial import Failure, Tally, run_batch

_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # else in the system's folder of temporary files
# A process that would take more is ended by the system before the machine suffers.
_MOST_BYTES = 6 << 30
# A fresh process: one that is forked from another that has used torch may wait for threads that it does not have.
_PROCESSES = multiprocessing.get_context("spawn")


def run(name: str, seed: int, count: int | None, keep: Path) -> tuple[Tally, float]:
    """What came of `count` inputs of a kind, and the seconds that they took. Those that failed are kept in `keep`."""
    total, start = Tally(), time.monotonic()
    usual, batch = FEWER.get(name, (COUNT, BATCH))
    count = usual if count is None else count
    with tempfile.TemporaryDirectory(prefix="espalier-fuzz-", dir=_IN_MEMORY) as scratch:
        current = Path(scratch) / "current.json"
        for number, first in enumerate(range(0, count, batch)):
            total.add(_in_process(name, seed * 10_000 + number, min(batch, count - first), current))
            print(f"{name}: {total.inputs:,} of {count:,} tried, {total.failed:,} failed", file=sys.stderr)
    for place, failure in total.failures.items():
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{name}-{place}.json").write_text(failure.input)
        (keep / f"{name}-{place}.txt").write_text(failure.report)
    return total, time.monotonic() - start


def _in_process(name: str, seed: int, count: int, current: Path) -> Tally:
    """A batch in a process of its own, whose memory is measured and which may die."""
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_work, args=(name, seed, count, current, sender))
    process.start()
    sender.close()
    try:
        tally: Tally = receiver.recv()
    except EOFError:
        process.join()
        report = f"the process ended with {process.exitcode}; a hang is shown above\n"
        tally = Tally(inputs=1)  # of the others of this batch nothing is known
        tally.fail("ended", Failure(1, report, current.read_text() if current.exists() else "{}"))
    process.join()
    return tally


def _work(name: str, seed: int, count: int, current: Path, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, _MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["OMP_NUM_THREADS"] = "1"
    tempfile.tempdir = str(current.parent)  # which outlives this process, and is removed then
    faulthandler.enable()
    sender.send(run_batch(load(name), seed, count, current))
