"""Whether what is killed, stopped or hung up, at random moments, loses a run or changes a result.

    python -m benchmarks.storm [--signals N] [--runs N] [--seed N]

Short real runs of all methods, most of them through the queue and every fifth in the foreground, while SIGKILL, SIGSTOP
with SIGCONT, SIGTERM and SIGHUP go to worker, child, foreground run and dashboard (the real one, and a stand-in for a
page that looks at it). A foreground run that a signal ended is resumed, as its user would do; nothing else is: after
the storm the queue is only looked at. Then each run is done again undisturbed, to compare.

Exit code 1 when a run was lost or made twice, a point differs (accuracies, counts, widths, plans; not seconds and
latencies), the queue does not empty by itself, or a traceback or an unfinished file is left.
"""

import argparse
import functools
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.jobs.worker import start_detached, worker_of
from engine.spec.run import RunSpec, parse
from engine.storage.atomic import read_json
from engine.storage.folders.run import Run
from engine.storage.store import Store
from tests.support import standin
from tests.support.storm import SIGNALS, Foreground, Storm, all_ended, cleaned, own, started, wait_for

WAITING = 3  # unended runs that there are during the storm, as long as it lasts
EVERY_FOREGROUND = 5
_PAUSES = (0.0, 6.0)  # seconds; a child takes about five to import torch
_PATIENCE = 180.0
_CALM_SECONDS = 1800.0  # for the queue to empty by itself after the storm
_ENGINE = [sys.executable, "-m", "engine"]
_BASE: dict[str, Any] = {
    "data": {"name": "digits", "limit": 120},
    "train": {"epochs": 2, "batch_size": 32},
    "target": {"keep": [0.7]},
}
_ONE_SHOT: dict[str, Any] = {"recover": {"epochs": 2}}
_STEPWISE: dict[str, Any] = {"recover": {"epochs": 0, "between_steps_batches": 2}}
METHODS: dict[str, dict[str, Any]] = {
    "one-shot, blocks first": _ONE_SHOT | {"order": "layers-channels"},
    "one-shot, channels first": _ONE_SHOT | {"order": "channels-layers", "criterion": "taylor"},
    "direct": _STEPWISE | {"order": "layers", "depth": {"method": "direct"}},
    "progressive": _STEPWISE
    | {
        "order": "channels",
        "criterion": "l1",
        "width": {"method": "progressive", "attempt_fraction": 0.3, "layers_per_step": 0.5},
    },
    "alternate": _STEPWISE | {"order": "alternate", "criterion": "l1"},
    "int8": _ONE_SHOT | {"order": "channels", "int8": True},
    "cut alone": {"recover": {"epochs": 2, "reconstruct": False}, "order": "layers-channels"},
    "reconstructed alone": {"recover": {"epochs": 0}, "order": "channels", "criterion": "obs"},
}


@dataclass
class Report:
    """What became of the runs: how many of which kind of wrong, each with a sentence."""

    wrong: Counter[str] = field(default_factory=Counter)

    def complain(self, kind: str, sentence: str) -> None:
        self.wrong[kind] += 1
        print(f"{kind}: {sentence}", flush=True)


def specs(count: int) -> list[RunSpec]:
    """Different runs, one method after the other."""
    methods = list(METHODS.values())
    return [parse({**_BASE, **methods[n % len(methods)], "seed": n}) for n in range(count)]


def essence(run: Run) -> list[dict[str, Any]]:
    """A run's points without what depends on the clock, each with the digest of its plan's steps."""
    points = []
    for point in run.points():
        plan = run.path / "models" / f"p{point.point}.plan.json"
        digest = hashlib.sha256(json.dumps(read_json(plan)["steps"]).encode()).hexdigest() if plan.exists() else None
        points.append(point.without_clock() | {"plan": digest})
    return points


def undisturbed(folder: Path, spec: RunSpec) -> list[dict[str, Any]]:
    """The same of a run that nothing happened to, in this process; its latencies are hardly measured."""
    from engine.latency import host_timing
    from engine.pipeline import run as pipeline

    usual = host_timing.time_onnx
    host_timing.time_onnx = functools.partial(usual, seconds=0.0)
    try:
        run = Store(folder, gallery=folder / "none").create(spec, foreground=True)
        state = execute(run, pipeline.run)
        assert state == "done", run.status().message
        return essence(run)
    finally:
        host_timing.time_onnx = usual


@dataclass
class Submissions:
    """Submits runs, so that some wait as long as there are any."""

    store: Store
    waiting: list[RunSpec]
    made: list[RunSpec] = field(default_factory=list)

    def feed(self, most: int = WAITING) -> bool:
        """Submits until `most` runs of the queue have not ended; whether there are more."""
        counts = Queue(self.store).counts()
        unended = counts["queued"] + counts["running"] + counts["interrupted"]
        for _ in range(min(max(0, most - unended), len(self.waiting))):
            Queue(self.store).submit(self.waiting[0])
            self.made.append(self.waiting.pop(0))
            start_detached(self.store)
        return bool(self.waiting)


def serve(store: Store, log: Path) -> Callable[[], subprocess.Popen[bytes]]:
    """What starts the dashboard, with a page's looks in the same process, always on the same port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*standin.worker_command(store)[:3], "serve", str(store.root), str(port)]

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return started(command, stdout=file, stderr=file)

    return start


def storm(store: Store, requests: list[RunSpec], signals: int, seed: int, log: Path) -> Storm:
    """Lets it blow; afterwards all runs are submitted and have ended, if they ever do."""
    foreground = requests[::EVERY_FOREGROUND]
    print(f"the runs are in {store.root}", flush=True)
    submissions = Submissions(store, [spec for spec in requests if spec not in foreground])
    files = log.open("ab")

    def run(spec: RunSpec) -> subprocess.Popen[bytes]:
        file = log.with_name(f"{spec.digest()}.json")
        file.write_text(spec.canonical())
        return started([*_ENGINE, "run", "--spec", str(file), "--results", str(store.root)], stdout=files, stderr=files)

    def resume(run_id: str) -> None:
        command = [*_ENGINE, "resume", run_id, "--results", str(store.root)]
        subprocess.run(command, check=True, stdout=files, stderr=files)

    blow = Storm(
        store,
        serve(store, log),
        random.Random(seed),
        pauses=_PAUSES,
        patience=_PATIENCE,
        signals=SIGNALS,
        foreground=Foreground(store, list(foreground), run, resume),
        feed=submissions.feed,
    )
    try:
        blow.blow(signals)
        print(f"{signals} signals sent; {Queue(store).counts()}", flush=True)
        submissions.feed(len(requests))
        wait_for(lambda: _attended(blow), _CALM_SECONDS)
        wait_for(lambda: _is_calm(store), _CALM_SECONDS)
    finally:
        blow.calm()
        files.close()
    return blow


def _attended(blow: Storm) -> bool:
    """Whether every run in the foreground has ended; the next one is started."""
    return not blow.attend()


def _is_calm(store: Store) -> bool:
    time.sleep(0.5)
    return all_ended(store) and worker_of(store) is None


def judge(store: Store, requests: list[RunSpec], folder: Path) -> Report:
    """Compares what is there with what was submitted, and every run with an undisturbed one."""
    report = Report()
    rows = own(store)
    for row in rows:
        if row["state"] != "done":
            report.complain("not done", f"{row['run_id']} is {row['state']}: {row['message']}")
    for spec in requests:
        runs = [store.run(row["run_id"]) for row in rows if f"-{spec.digest()}" in row["run_id"]]
        if len(runs) != 1:
            report.complain("twice" if runs else "lost", f"seed {spec.seed}: {len(runs)} runs")
        if runs and essence(runs[0]) != undisturbed(folder / "calm", spec):
            report.complain("different", f"{runs[0].id}: its points are not those of an undisturbed run")
    for file in (store.root / "worker.log", *store.folder.glob("*/log.txt"), folder / "processes.log"):
        if file.exists() and "Traceback" in file.read_text(errors="replace"):
            report.complain("traceback", str(file))
    for path in (*store.root.rglob(".~*"), *store.root.glob("*/.new-*"), *store.root.glob("*/.gone-*")):
        report.complain("left over", str(path))
    return report


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", allow_abbrev=False)
    parser.add_argument("--signals", type=int, default=200)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the same sums in every process
    folder = Path(tempfile.mkdtemp(prefix="espalier-storm-"))
    store = Store(folder / "results", gallery=folder / "none")
    requests = specs(options.runs)
    begin = time.monotonic()
    with cleaned(store):
        blow = storm(store, requests, options.signals, options.seed, folder / "processes.log")
    seconds = time.monotonic() - begin
    report = judge(store, requests, folder)
    _print_figures(blow, store, len(requests), seconds, report)
    if report.wrong:
        print(f"all is kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _print_figures(blow: Storm, store: Store, runs: int, seconds: float, report: Report) -> None:
    for target, total in sorted(blow.by_target().items()):
        kinds = ", ".join(f"{blow.sent[target, number.name]} {number.name}" for number in SIGNALS)
        print(f"{target}: {total} signals ({kinds})")
    crashes = sum(
        line["kind"] == "interrupted" for row in own(store) for line in store.run(row["run_id"]).event_lines()
    )
    wrong = ", ".join(f"{count} {kind}" for kind, count in report.wrong.items()) or "0 lost, 0 twice, 0 different"
    print(f"{sum(blow.sent.values())} signals, {runs} runs, {crashes} lost processes, {seconds / 60:.1f} min: {wrong}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
