"""Attempts judged by reconstruction beside raced ones: what the steps of a run take, and where the run ends.

    python -m benchmarks.attempts.measures --weights FILE --data npz:FILE --dir DIR
                                [--model resnet20] [--seeds 0,1,2] [--only PART]

Progressive channels by l1 to 0.6× and direct blocks to 0.65× of the MACs, refitted after each step, nothing trained;
one run after the other, one thread each. Seconds are those in which attempts are judged, all steps of a run together.
What is in DIR already is not done again; --only keeps the methods whose names hold PART.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.transfer.table import find
from engine.spec.run import Measure, RunSpec, parse
from engine.storage.atomic import write_json
from engine.storage.folders.run import Run
from engine.storage.records.event import Attempts

METHODS: dict[str, dict[str, Any]] = {
    "progressive channels": {
        "criterion": "l1",
        "order": "channels",
        "width": {"method": "progressive"},
        "target": {"keep": [0.6]},
    },
    "direct blocks": {"order": "layers", "depth": {"method": "direct"}, "target": {"keep": [0.65]}},
}
RACED: dict[str, Measure] = {"progressive channels": "loss", "direct blocks": "accuracy"}  # what each takes by itself


@dataclass(frozen=True)
class Outcome:
    """Of one run: seconds of judging, steps, and how many test images its smallest network has right."""

    seconds: float
    steps: int
    correct: int
    total: int
    macs: float


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attempts.measures", allow_abbrev=False)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--dir", type=Path, required=True, help="a results folder for the runs")
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default="", help="a part of the methods' names")
    options = parser.parse_args(arguments)
    network = {"model": options.model, "weights": options.weights, "data": {"name": options.data}}
    print("| method | attempts judged by | seconds | a step | correct | MACs |\n|---|---|---|---|---|---|")
    for method, settings in METHODS.items():
        if options.only not in method:
            continue
        found: dict[Measure, list[Outcome]] = {"reconstruction": [], RACED[method]: []}
        for seed in options.seeds.split(","):
            for measure, outcomes in found.items():
                attempt = {"measure": measure, "race": measure != "reconstruction"}
                spec = {**network, **settings, "attempt": attempt, "seed": int(seed), "device": "cpu"}
                outcomes.append(_outcome(options.dir.resolve(), parse({**spec, "recover": {"epochs": 0}})))
        for measure, outcomes in found.items():
            print(_row(method, measure, outcomes))
        shares = [ours.seconds / raced.seconds for ours, raced in zip(*found.values(), strict=True)]
        means = [sum(x.correct for x in outcomes) / len(outcomes) for outcomes in found.values()]
        print(f"{method}: {min(shares):.3f} to {max(shares):.3f}× of the seconds, {means[0] - means[1]:+.1f} correct")
    return 0


def _row(method: str, measure: str, outcomes: Sequence[Outcome]) -> str:
    raced = "" if measure == "reconstruction" else ", raced"
    seconds = ", ".join(f"{x.seconds:.1f}" for x in outcomes)
    step = sum(x.seconds for x in outcomes) / sum(x.steps for x in outcomes)
    correct = ", ".join(str(x.correct) for x in outcomes)
    macs = ", ".join(f"{x.macs:.3f}×" for x in outcomes)
    return f"| {method} | {measure}{raced} | {seconds} | {step:.2f} | {correct} of {outcomes[0].total} | {macs} |"


def _outcome(folder: Path, spec: RunSpec) -> Outcome:
    run = find(folder, spec)
    if run is None:
        file = folder / "specs" / f"{spec.digest()}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, spec.model_dump(mode="json"))
        command = (sys.executable, "-m", "engine", "run", "--spec", str(file), "--results", str(folder), "--json")
        subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, check=True)
        run = find(folder, spec)
    assert run is not None
    last = run.points()[-1]
    assert last.correct is not None and last.total is not None
    steps = list(_seconds(run))
    return Outcome(sum(steps), len(steps), last.correct, last.total, last.got.macs)


def _seconds(run: Run) -> Iterator[float]:
    """From the word that a step attempts to what it found, of each step."""
    before = 0.0
    for line in run.event_lines():
        if line.get("kind") == Attempts.KIND:
            yield line["t"] - before
        before = line["t"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
