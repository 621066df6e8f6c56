"""The dashboard with ten thousand runs: what each of its steps takes, and the storage of others for one of them.

    python -m benchmarks.dashboard --dir DIR [--runs 10000] [--rivals PYTHON]

DIR is filled with synthetic runs of four points each, through the store; those that are there already stay. Each step
is measured in processor seconds in a fresh process, the index from nothing by itself. PYTHON is an interpreter that has
MLflow and Optuna (benchmarks/dashboard/requirements.txt); each gets as many runs in SQLite, with the settings in which
they differ and the figures of one point, and makes a table of all of them after one has changed. Exit code 1 where a
limit is exceeded (those for a hundred thousand hold above ten thousand), or ours is not five times as fast.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.dashboard import filling
from engine.spec.settings import columns_of, value_at

RIVALS = ("mlflow", "optuna")
TIMES_FASTER = 5.0
_MANY = 10_000  # runs, above which the higher limits hold
_SETTINGS = ("model", "data", "criterion", "order", "depth_share", "recover_epochs", "seed")
_FIGURES = ("top1", "top5", "val_top1", "loss", "params", "macs", "bytes", "keep")
_RIVALS_FILE = Path(__file__).with_name("rivals.py")


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    if options.step:
        from benchmarks.dashboard import measuring

        print(json.dumps(getattr(measuring, options.step)(options.dir)))
        return 0
    filling.fill(options.dir, options.runs)
    figures = {**_step("index", options.dir), **_step("steps", options.dir)}
    missed = _report(figures, options.runs)
    if options.rivals is None:
        return min(len(missed), 1)
    theirs = {name: _rival(options.rivals, name, options.runs) for name in RIVALS}
    return max(min(len(missed), 1), _compare(figures, theirs))


def _step(name: str, folder: Path) -> dict[str, float]:
    command = (sys.executable, "-m", "benchmarks.dashboard", "--dir", str(folder), "--step", name)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _report(figures: dict[str, float], runs: int) -> list[str]:
    """Prints every step; the names of those above their limit."""
    from benchmarks.dashboard.measuring import LIMITS

    limits = {name: pair[runs > _MANY] for name, pair in LIMITS.items()}
    print(f"{runs:,} runs of four points")
    for name, value in figures.items():
        limit = f"   at most {limits[name]:g}" if name in limits else ""
        print(f"{name:28} {value:8.3f} {'GB' if name == 'memory' else 's '}{limit}")
    return [name for name, limit in limits.items() if figures[name] > limit]


def _rival(python: str, name: str, runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="espalier-rivals-") as scratch:
        requests = Path(scratch) / "runs.json"
        requests.write_text(json.dumps([_as_theirs(number) for number in range(runs)]), encoding="utf-8")
        command = (python, str(_RIVALS_FILE), name, str(Path(scratch) / "store.sqlite"), str(requests))
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _as_theirs(number: int) -> dict[str, Any]:
    """A run as a rival gets it: what it was asked for, and the figures of its recovered point."""
    spec = filling.request(number)
    document, fields = spec.model_dump(mode="json"), columns_of(type(spec))
    *_, point, _ = filling.points(spec, number)
    return {
        "settings": {column: value_at(document, fields[column].place) for column in _SETTINGS},
        "figures": {name: float(getattr(point, name)) for name in _FIGURES},
    }


def _compare(figures: dict[str, float], theirs: dict[str, dict[str, Any]]) -> int:
    from benchmarks.dashboard.measuring import QUESTION

    ours = figures[QUESTION]
    for name, answer in theirs.items():
        print(f"{name} {answer['version']}: {answer['seconds']:.3f} s for {answer['rows']:,} runs")
    best = min(answer["seconds"] for answer in theirs.values())
    print(f"ours takes {ours:.3f} s for the same: {best / ours:.0f} times as fast as the better one")
    return int(best < TIMES_FASTER * ours)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", allow_abbrev=False)
    parser.add_argument("--dir", type=Path, required=True, help="a results folder for the runs")
    parser.add_argument("--runs", type=int, default=_MANY)
    parser.add_argument("--rivals", help="an interpreter that has MLflow and Optuna")
    parser.add_argument("--step", choices=("index", "steps"), help=argparse.SUPPRESS)  # how this starts itself
    options = parser.parse_args(arguments)
    options.dir = options.dir.resolve()
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
