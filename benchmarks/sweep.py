"""A sweep that is killed and given again on the way: how long it takes, and whether anything is done twice or lost.

    python -m benchmarks.sweep examples/sweep.yaml --results DIR --kills 2

Every kill is a SIGKILL to the process of the sweep and to all its children at the same moment, each time when another
equal share of the runs is done. What is printed at the end is one JSON document.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from engine.cli.sweep import file
from engine.jobs.sweep import inventory
from engine.spec.run import RunSpec
from engine.spec.sweep import grid
from engine.storage.records.event import Epoch, Note
from engine.storage.store import Store

_LOOK_SECONDS = 2.0


def main(arguments: list[str]) -> int:
    """0 where nothing was done twice, nothing lost, and every run is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=2)
    asked = parser.parse_args(arguments)
    document = file.read(asked.file)
    store, specs = Store(asked.results), grid.runs(document)
    started = time.monotonic()
    kills = [_until_killed(asked, store, document.name, specs, number) for number in range(1, asked.kills + 1)]
    code = subprocess.run(_command(asked), check=False).returncode
    seconds = time.monotonic() - started
    report = _report(store, document.name, specs)
    print(json.dumps({"seconds": round(seconds), "exit_code": code, "done_at_kills": kills, **report}, indent=1))
    whole = report["done"] == report["specs"] == report["runs"] and not report["trained_twice"]
    return 0 if code == 0 and whole and not report["points_twice"] else 1


def _command(asked: argparse.Namespace) -> list[str]:
    return [sys.executable, "-m", "engine", "sweep", str(asked.file), "--results", str(asked.results)]


def _until_killed(asked: argparse.Namespace, store: Store, name: str, specs: tuple[RunSpec, ...], number: int) -> int:
    """Starts the sweep and kills all of it once a share of the runs is done; how many were."""
    share = len(specs) * number / (asked.kills + 1)
    process = subprocess.Popen(_command(asked))
    while process.poll() is None:
        done = _done(store, name, specs)
        if done >= share:
            _kill(process)
            return done
        time.sleep(_LOOK_SECONDS)
    return _done(store, name, specs)


def _done(store: Store, name: str, specs: tuple[RunSpec, ...]) -> int:
    return sum(entry.standing == "done" for entry in inventory.entries(store, name, specs))


def _kill(process: subprocess.Popen[bytes]) -> None:
    driver = psutil.Process(process.pid)
    for each in [driver, *driver.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def _report(store: Store, name: str, specs: tuple[RunSpec, ...]) -> dict[str, Any]:
    """What there is in the end; of one model and data, whose baseline its seed tells."""
    rows = [row for row in store.runs() if row["experiment"] == name and not row["gallery"]]
    runs = [store.run(row["run_id"]) for row in rows]
    points = [Counter(point.point for point in run.points()) for run in runs]
    epochs = [[epoch for epoch in run.events(Epoch) if epoch.stage == "baseline"] for run in runs]
    trained = Counter(
        (run.spec().seed, epoch.epoch) for run, of_run in zip(runs, epochs, strict=True) for epoch in of_run
    )
    return {
        "specs": len(specs),
        "runs": len(runs),
        "done": _done(store, name, specs),
        "points": sum(map(len, points)),
        "points_twice": sum(count - 1 for of_run in points for count in of_run.values()),
        "trained_epochs": len(trained),
        "trained_twice": sum(count - 1 for count in trained.values()),
        "baselines_taken": sum(any("baseline taken" in note.text for note in run.events(Note)) for run in runs),
        "threads": sorted({run.env().get("threads") for run in runs}),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
