"""What is compared with Torch-Pruning and where, what is left to run, and the report on what has been run."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import standings
from benchmarks.peers.entries import EPOCHS, Entry, entries
from benchmarks.peers.standings import Result, Row, Standings
from engine.spec import run as run_spec
from engine.spec.run import RunSpec
from engine.spec.settings import with_earlier
from engine.storage.atomic import read_json, write_json
from engine.storage.folders.run import Run


@dataclass(frozen=True)
class Contest:
    """What is compared and where."""

    weights: str
    data: str
    folder: Path
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]

    def spec(self, entry: Entry, seed: int) -> RunSpec:
        return entry.spec(self.weights, self.data, seed)

    def like(self, seed: int) -> RunSpec:
        """The one-shot run of ours whose conditions are theirs, too."""
        return self.spec(entries()[0], seed)

    def file(self, entry: Entry, seed: int) -> Path:
        """What one of theirs leaves behind."""
        return self.folder / "peers" / f"{entry.slug}-s{seed}.json"

    def runs(self) -> dict[str, Run]:
        """Finished runs of ours by the canonical text of their specs."""
        finished = {}
        for path in sorted((self.folder / "runs").glob("*/")):
            run = Run(path)
            if not path.name.startswith(".") and run.status().state == "done":
                finished[run.spec().canonical()] = run
        return finished


@dataclass(frozen=True)
class Task:
    """One entry with one seed, and the command that does it."""

    entry: Entry
    seed: int
    command: tuple[str, ...]


def tasks_left(contest: Contest) -> list[Task]:
    """What has not been done yet, all seeds of an entry before the next one."""
    finished = contest.runs()
    specs = contest.folder / "specs"
    specs.mkdir(parents=True, exist_ok=True)
    me = (sys.executable, "-m", "benchmarks.peers", "--weights", contest.weights, "--data", contest.data)
    tasks = []
    for entry in contest.entries:
        for seed in contest.seeds:
            if entry.ours:
                spec = contest.spec(entry, seed)
                if spec.canonical() in finished:
                    continue
                file = specs / f"{spec.digest()}.json"
                write_json(file, spec.model_dump(mode="json"))
                command = ("-m", "engine", "run", "--spec", str(file), "--results", str(contest.folder), "--json")
                tasks.append(Task(entry, seed, (sys.executable, *command)))
            elif not _is_measured(contest, entry, seed):
                where = ("--dir", str(contest.folder), "--seeds", str(seed), "--only", entry.name, "--rival")
                tasks.append(Task(entry, seed, (*me, *where)))
    return tasks


def work(tasks: list[Task], jobs: int) -> int:
    """Do what is left, several at once, in processes of their own; how many failed."""
    failed, started = 0, time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_run, task): task for task in tasks}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                task, problem = futures[future], future.result()
                failed += bool(problem)
                print(
                    f"{number}/{len(tasks)}, {(time.monotonic() - started) / 60:.0f} min: {task.entry.name}, "
                    f"seed {task.seed}: {problem or 'done'}",
                    flush=True,
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def compete(contest: Contest) -> None:
    """One entry of theirs, in this process."""
    from benchmarks.peers import rival

    (entry,), (seed,) = contest.entries, contest.seeds
    rival.compete(entry, contest.like(seed), contest.file(entry, seed))


def report(contest: Contest) -> int:
    """Time everything that is there, write the table, and judge."""
    from engine.data.load import load

    like = contest.like(contest.seeds[0])
    each = math.ceil(len(load(like.data, like.seed).train) / like.train.batch_size)
    base = _baseline(contest)
    finished = contest.runs()
    results_of = ((entry, tuple(_results(contest, finished, entry, each))) for entry in contest.entries)
    rows = tuple(Row(entry, results) for entry, results in results_of if results)
    base_ms, *ms = standings.time_networks([base.onnx, *(row.results[0].onnx for row in rows)])
    latency = {row.entry: own / base_ms for row, own in zip(rows, ms, strict=True)}
    text, good = standings.render(Standings(rows, base, base_ms, latency, len(contest.seeds), EPOCHS * each))
    (contest.folder / "peers.md").write_text(text, encoding="utf-8")
    print(text)
    return 0 if good else 1


def _is_measured(contest: Contest, entry: Entry, seed: int) -> bool:
    return _has(contest.file(entry, seed), contest.like(seed))


def _has(file: Path, like: RunSpec) -> bool:
    """Whether a file holds what was measured under these conditions, maybe by an earlier version."""
    if not file.exists():
        return False
    stored = json.loads(read_json(file)["like"])
    return run_spec.parse(with_earlier(stored, RunSpec)) == like


def _run(task: Task) -> str:
    """Run a task to its end; what went wrong, as its last line says."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["nice", *task.command], env=env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    output = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
    return f"FAILED ({done.returncode}): {output}"


def _baseline(contest: Contest) -> Result:
    """The network that all of them start from, measured once."""
    file = contest.folder / "peers" / "untouched.json"
    like = contest.like(contest.seeds[0])
    if not _has(file, like):
        from benchmarks.peers import rival

        rival.measure_baseline(like, file)
    return standings.theirs(file)


def _results(contest: Contest, finished: dict[str, Run], entry: Entry, each: int) -> Iterator[Result]:
    """What an entry came to, for each seed that has finished."""
    for seed in contest.seeds:
        if not entry.ours:
            if _is_measured(contest, entry, seed):
                yield standings.theirs(contest.file(entry, seed))
        elif run := finished.get(contest.spec(entry, seed).canonical()):
            yield standings.ours(run, each)
