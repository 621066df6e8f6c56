"""Ten thousand runs that end at once on sixty-four simulated nodes: what the driver, the disk and the index make of it.

    python -m benchmarks.many_nodes --dir DIR [--seeds 10] [--nodes 64] [--no-look]

A thousand settings with so many seeds each are driven as `espalier sweep` drives them: the same grid, inventory, driver
and store, and an executor whose nodes write all that a run writes and compute nothing. Each node is a process of this
machine, with what the driver and the dashboard leave it of the processor. Beside them a process redraws the dashboard's
pages. In the end the command itself is given once more, which has nothing to do any more. Printed is one JSON document;
exit code 1 where a limit is missed: 50 runs a second, memory that grows by no more than a twentieth, redraws of one
second by the clock, the middle one of each page, and a second start of ten seconds of the processor.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from benchmarks.many_nodes.grid import NAME, document, raw
from benchmarks.many_nodes.nodes import SimulatedNodes
from engine.cli.sweep.progress import SweepProgress
from engine.jobs.sweep import inventory, place
from engine.jobs.sweep.driver import Driver, Ended, Tally
from engine.spec.run import RunSpec
from engine.spec.sweep import grid
from engine.storage.atomic import write_json
from engine.storage.store import Store

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
PART = 1_000  # runs between two looks at the driver's memory
LEAST_RUNS_A_SECOND = 50.0
MOST_GROWTH = 1.05  # of the driver's memory, from the first thousand runs to the last
MOST_REDRAW_SECONDS = 1.0  # by the clock, the middle one of each page
MOST_START_SECONDS = 10.0  # of the processor, to find that nothing is left to do


@dataclass
class Pace:
    """The driver at every so many ended runs: seconds since the beginning, of the processor too, and memory."""

    part: int
    at: list[dict[str, float]] = field(default_factory=list)
    ended: int = 0

    def __post_init__(self) -> None:
        self._process = psutil.Process()
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def hear(self, ended: Ended, tally: Tally) -> None:
        """Count one more run."""
        self.ended += 1
        if self.ended % self.part == 0:
            self.note()

    def note(self) -> None:
        """Write down how it stands."""
        wall, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        megabytes = self._process.memory_info().rss / 1e6
        self.at.append({"ended": self.ended, "seconds": wall, "processor_seconds": processor, "rss_mb": megabytes})


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    root = options.dir.resolve()
    figures = measure(root, raw(options.seeds), options.nodes, look=not options.no_look, again=True)
    print(json.dumps(figures, indent=1))
    return min(len(figures["missed"]), 1)


def measure(root: Path, swept: dict[str, Any], nodes: int, *, look: bool, again: bool) -> dict[str, Any]:
    """Drives a sweep in an empty results folder; all figures. It is looked at meanwhile, and given again, or not."""
    store = Store(root)
    store.prepare()
    write_json(root / "sweep.json", swept)
    expand, specs = _timed(lambda: grid.runs(document(swept), many=True))
    listing, listed = _timed(lambda: inventory.entries(store, NAME, specs))
    with _looker(root, look) as looked:
        sweep = _drive(store, listed, nodes)
    figures: dict[str, Any] = {"runs": len(specs), "nodes": nodes, "grid_seconds": expand}
    figures |= {"inventory_seconds": listing, **sweep, **looked, **_whole(store, specs)}
    figures |= {"second_start": _start_again(root)} if again else {}
    return {**_rounded(figures), "missed": missed(figures)}


def missed(figures: dict[str, Any]) -> list[str]:
    """The names of the limits that some figures miss."""
    first, last = figures["pace"][0]["rss_mb"], figures["pace"][-1]["rss_mb"]
    redraws = [page["seconds"]["median"] for page in figures.get("dashboard", {}).values()]
    second = figures.get("second_start", {})
    holds = {
        "runs a second": figures["runs_a_second"] >= LEAST_RUNS_A_SECOND,
        "memory": last <= MOST_GROWTH * first,
        "redraw": max(redraws, default=0.0) <= MOST_REDRAW_SECONDS,
        "second start": second.get("processor_seconds", 0.0) <= MOST_START_SECONDS,
        "all done, each once": figures["done"] == figures["folders"] == figures["runs"],
    }
    return [name for name, held in holds.items() if not held]


def _drive(store: Store, listed: list[inventory.Entry], nodes: int) -> dict[str, Any]:
    pace, lines = Pace(min(PART, max(1, len(listed) // 2))), SweepProgress()

    def tell(ended: Ended, tally: Tally) -> None:
        pace.hear(ended, tally)
        lines.tell(ended, tally)

    left = inventory.to_do(listed, retry_failed=False)
    with place.driving(store, NAME), SimulatedNodes(store.root, nodes) as executor, lines:
        driver = Driver(store, NAME, 1, len(listed) - len(left), 0, left, tell=tell, show=lines.show)
        seconds, _ = _timed(lambda: executor.execute(driver))
    if driver.problem is not None:
        raise driver.problem
    processor = pace.at[-1]["processor_seconds"]
    return {
        "seconds": seconds,
        "runs_a_second": len(left) / seconds,
        "driver_processor_ms_a_run": 1000 * processor / len(left),
        "nodes_processor_ms_a_run": 1000 * executor.processor_seconds() / len(left),
        "pace": pace.at,
    }


@contextmanager
def _looker(root: Path, look: bool) -> Iterator[dict[str, Any]]:
    """A process that looks at the dashboard meanwhile; what it found is in the dictionary afterwards."""
    found: dict[str, Any] = {}
    if not look:
        yield found
        return
    command = (sys.executable, "-m", "benchmarks.many_nodes.looking", str(root))
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
        yield found
        said, _ = process.communicate()
    found["dashboard"] = json.loads(said.splitlines()[-1])


def _start_again(root: Path) -> dict[str, float]:
    """What the command takes that finds all runs done."""
    command = (sys.executable, "-m", "engine", "sweep", str(root / "sweep.json"), "--yes", "--results", str(root))
    before = psutil.Process().cpu_times()
    seconds, _ = _timed(lambda: subprocess.run((*command, "--json"), cwd=ROOT, stdout=subprocess.DEVNULL, check=True))
    after = psutil.Process().cpu_times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": seconds, "processor_seconds": spent}


def _whole(store: Store, specs: tuple[RunSpec, ...]) -> dict[str, int]:
    """How many runs are done, and how many folders there are."""
    done = sum(entry.standing == "done" for entry in inventory.entries(store, NAME, specs))
    return {"done": done, "folders": sum(1 for _ in store.folder.iterdir())}


def _timed(what: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    value = what()
    return time.perf_counter() - started, value


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 3) if isinstance(value, float) else value


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_nodes", allow_abbrev=False)
    parser.add_argument("--dir", type=Path, required=True, help="a results folder that is not there yet")
    parser.add_argument("--seeds", type=int, default=10, help="of each of a thousand settings")
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--no-look", action="store_true", help="without the dashboard")
    options = parser.parse_args(arguments)
    if options.dir.exists():
        parser.error(f"{options.dir} is there already; name a folder that is not")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
