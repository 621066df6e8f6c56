"""A small sweep on clusters beside the same on this computer: the same points bit for bit, and what a run costs more.

    python -m benchmarks.cluster [--runs N] [--epochs N] [--ray-only]

Ray has two nodes here, each with one core and a cache of its own, one of which is killed in the middle; as root and
with `unshare`, neither sees the folder with the results and the images. submitit's jobs are processes of this computer.
What a run costs beside its child's own time, from when it is given out to when it has come back, is compared with the
same on this computer, of runs that were not lost on the way. What is printed at the end is one JSON document; the exit
code is 1 where a point differs, is missing or is there twice, or where a run on Ray costs half a second more.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.executors.executor import Executor
from engine.jobs.executors.local import LocalExecutor
from engine.jobs.executors.ray.executor import RayExecutor
from engine.jobs.executors.slots import Slot
from engine.jobs.sweep import inventory
from engine.jobs.sweep.driver import Driver, Ended, Tally
from engine.spec import run as specs
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.records.event import CrashEvent
from engine.storage.store import Store
from tests.support.ray_nodes import Nodes, can_hide
from tests.support.storm import wait_for

NAME = "a small sweep"
MOST_SECONDS = 0.5
_IMAGES = {"train": 400, "val": 100, "test": 100}


@dataclass
class Sweep:
    """What a sweep came to: its runs by seed, and the seconds that each spent beside its child's own."""

    store: Store
    overheads: list[float] = field(default_factory=list)

    def runs(self) -> list[Run]:
        """The runs, by seed."""
        rows = [row for row in self.store.runs() if row["experiment"] == NAME]
        return sorted((self.store.run(row["run_id"]) for row in rows), key=lambda run: run.spec().seed)

    def points(self) -> list[list[Any]]:
        """What was measured, without what a clock says."""
        return [[point.without_clock() for point in run.points()] for run in self.runs()]

    def lost(self) -> int:
        """How many times the process of a run was lost."""
        return sum(len(run.events(CrashEvent)) for run in self.runs())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--ray-only", action="store_true", help="leave submitit out")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="espalier-cluster-") as folder:
        report = _report(Path(folder), asked.runs, asked.epochs, ray_only=asked.ray_only)
    print(json.dumps(report, indent=1))
    wrong = [name for name, place in report["places"].items() if not place["same_points"]]
    return 1 if wrong or report["places"]["ray"]["more_s"] > MOST_SECONDS else 0


def _report(folder: Path, runs: int, epochs: int, *, ray_only: bool) -> dict[str, Any]:
    grid = _grid(folder, runs, epochs)
    here = _sweep(folder / "local", grid, lambda store: LocalExecutor(store, (Slot(), Slot())))
    found = {"ray": _on_ray(folder, grid)}
    if not ray_only:
        found["submitit"] = _sweep(folder / "submitit", grid, _submitit)
    usual = statistics.median(here.overheads)
    places = {
        name: {
            "same_points": sweep.points() == here.points(),
            "lost": sweep.lost(),
            "overhead_s": round(statistics.median(sweep.overheads), 2),
            "more_s": round(statistics.median(sweep.overheads) - usual, 2),
        }
        for name, sweep in found.items()
    }
    return {
        "runs": runs,
        "points": sum(map(len, here.points())),
        "hidden_from_nodes": can_hide(),
        "local_overhead_s": round(usual, 2),
        "places": places,
    }


def _grid(folder: Path, runs: int, epochs: int) -> tuple[RunSpec, ...]:
    """Small trainings on made-up images, each with another seed; the images are a file that nodes do not have."""
    images = folder / "images.npz"
    draw = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in _IMAGES.items():
        labels = draw.integers(0, 3, count)
        noise = draw.integers(0, 100, (count, 16, 16, 3))
        arrays[f"{split}_images"] = (noise + 50 * labels[:, None, None, None]).astype(np.uint8)
        arrays[f"{split}_labels"] = labels
    np.savez(images, **arrays)
    request = {
        "model": "resnet20",
        "data": {"name": f"npz:{images}"},
        "train": {"epochs": epochs},
        "order": "channels",
        "criterion": "l1",
        "target": {"keep": [0.7, 0.5]},
        "recover": {"epochs": 1},
        "device": "cpu",
    }
    return tuple(specs.parse({**request, "seed": seed}) for seed in range(runs))


def _sweep(
    root: Path,
    grid: Sequence[RunSpec],
    executor_of: Callable[[Store], Executor],
    meanwhile: Callable[[Store], object] | None = None,
) -> Sweep:
    store = Store(root, gallery=root / "gallery")
    store.prepare()
    swept = Sweep(store)

    def tell(ended: Ended, tally: Tally) -> None:
        run = store.run(ended.run_id)
        times = run.status().times
        print(f"{root.name}: {ended.run_id} {ended.state} {ended.error or ''}", file=sys.stderr, flush=True)
        if not run.events(CrashEvent) and times.started is not None and times.finished is not None:
            swept.overheads.append(ended.seconds - (times.finished - times.started))

    driver = Driver(store, NAME, 1, 0, 0, inventory.entries(store, NAME, grid), tell=tell)
    beside = threading.Thread(target=meanwhile, args=(store,)) if meanwhile is not None else None
    if beside is not None:
        beside.start()
    executor_of(store).execute(driver)
    if beside is not None:
        beside.join()
    return swept


def _on_ray(folder: Path, grid: Sequence[RunSpec]) -> Sweep:
    nodes = Nodes(hidden=folder if can_hide() else None)

    def kill(store: Store) -> None:
        """Kills the second node when a run that is under way on it has two points, and another one has come back."""
        there = nodes.cache(1) / "cluster"

        def is_halfway(path: Path) -> bool:
            return Run(path).status_or_new().state == "running" and len(Run(path).points()) > 1

        wait_for(lambda: any(row["state"] == "done" for row in store.runs()), 1800)
        wait_for(lambda: any(map(is_halfway, there.glob("results-*/runs/*"))), 1800)
        nodes.kill(1)

    try:
        nodes.start()
        nodes.start()
        return _sweep(folder / "ray", grid, lambda store: RayExecutor(store, address=nodes.address), kill)
    finally:
        nodes.end()


def _submitit(store: Store) -> Executor:
    from engine.jobs.executors.slurm.executor import SubmititExecutor
    from engine.jobs.executors.slurm.submission import HereCluster

    return SubmititExecutor(store, HereCluster(), 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
