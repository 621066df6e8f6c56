"""Pruning for transfer: one-shot, progressive on the source alone, progressive with transfer; two directions.

    python -m benchmarks.transfer --dir DIR [--pairs "mnist5k>digits,digits>mnist5k"] [--seeds 0,1,2] [--jobs N]
                                  [--model resnet20] [--weights FILE] [--image-size 16] [--limit N] [--report]

A network is trained on the source and adapted to the target (Ganin et al. 2016), then pruned to four shares of its MACs
by l1, with reconstruction and without. What is in DIR already is not done again. At the end (with --report: at once) a
table goes to the screen and to DIR/transfer.md, a chart to DIR/transfer.svg. Exit code 1 when a run failed.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.transfer import chart, table
from benchmarks.transfer.entries import Task, entries
from engine.errors import RequestError
from engine.measure.machine import cores
from engine.storage.atomic import write_json

PAIRS = "mnist5k>digits,digits>mnist5k"


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    network = (options.model, options.weights, options.image_size, options.limit, options.train_epochs)
    tasks = [Task(pair, int(seed), *network) for seed in options.seeds.split(",") for pair in options.pairs.split(",")]
    failed = 0
    if not options.report:
        started = time.monotonic()
        with ThreadPoolExecutor(options.jobs) as pool:
            failed = sum(pool.map(lambda task: _work(options.dir, task), tasks))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{(time.monotonic() - started) / 60:.1f} min with {options.jobs} jobs, of one thread each; "
            f"{(used.ru_utime + used.ru_stime) / 60:.1f} min of processor time"
        )
    results = table.results(options.dir, tasks)
    text = table.render(results)
    print(text)
    (options.dir / "transfer.md").write_text(text, encoding="utf-8")
    (options.dir / "transfer.svg").write_text(chart.draw(results), encoding="utf-8")
    return min(failed, 1)


def _work(folder: Path, task: Task) -> int:
    """Everything of one pair and seed, in order; how many runs failed."""
    failed = 0
    for entry in entries():
        adapted = table.find(folder, entries()[0].spec(task, None))
        if entry.alone and entry.adapted and adapted is None:
            failed += 1
            continue
        spec = entry.spec(task, None if adapted is None else adapted.id)
        if table.find(folder, spec) is None:
            failed += bool(_run(folder, spec.digest(), spec.model_dump(mode="json"), f"{task.pair} {entry.name}"))
    return failed


def _run(folder: Path, name: str, spec: object, title: str) -> int:
    file = folder / "specs" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, spec)
    command = (sys.executable, "-m", "engine", "run", "--spec", str(file), "--results", str(folder), "--json")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        print(f"{title}: FAILED ({done.returncode}): {said}", file=sys.stderr)
    return done.returncode


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", allow_abbrev=False)
    parser.add_argument("--dir", type=Path, required=True, help="a results folder for the runs and the table")
    parser.add_argument("--pairs", default=PAIRS, help="SOURCE>TARGET, several joined by commas")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--jobs", type=int, default=cores(), help="pairs and seeds at once, one thread each")
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--weights", default="none", help="of the source's network, where it is trained already")
    parser.add_argument("--image-size", type=int, default=16, help="pixels; 0 for the data's own")
    parser.add_argument("--limit", type=int, help="images of each split, where all take too long")
    parser.add_argument("--train-epochs", type=int, default=15)
    parser.add_argument("--report", action="store_true", help="run nothing, only tell")
    options = parser.parse_args(arguments)
    options.image_size = options.image_size or None
    options.dir = options.dir.resolve()
    return options


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RequestError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
