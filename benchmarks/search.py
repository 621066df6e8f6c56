"""What a search finds in so many trials, and what random search finds with the same budget.

    python -m benchmarks.search examples/search.yaml --results DIR --seeds 0,1,2 --trials 60 --recover 10

For each seed the untouched network of that seed, or of `--network`, is searched three times: as `espalier search` does;
with settings drawn at random from the same space, without the trials that a search begins with, but with as many trials
and what to train on chosen in the same way; and by plain random search, which trains every network that it draws, as
many as the search's time pays for (`--plain`: sixty trials take as long as little more than one training). All are
judged by the hypervolume of what they found, on validation images alone. It is a share of the box between two corners:
the untouched network's accuracy at no cost, and the reference point, at the untouched network's costs and `--floor`
points of accuracy below its own. `--recover 0` compares reconstruction only.
What is printed is one JSON document.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from engine.jobs.executors.local import LocalExecutor
from engine.jobs.executors.slots import slots
from engine.measure.threads import compute_with
from engine.search import outcome, study
from engine.search.outcome import Outcome
from engine.search.work import Search
from engine.spec.search import document as documents
from engine.storage.store import Store

FLOOR = 10.0  # points of accuracy below the untouched network: what loses more is of no use
METHODS = ("search", "random", "plain")


def main(arguments: Sequence[str]) -> int:
    """0 where search was better than plain random search in the mean by what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--network", type=int, help="the seed of the untouched network, by default each seed's own")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--recover", type=int, default=10)
    parser.add_argument("--plain", type=int, default=12, help="networks of plain random search")
    parser.add_argument("--floor", type=float, default=FLOOR)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--gain", type=float, default=0.1, help="that search has to be better by, as a share")
    asked = parser.parse_args(arguments)
    raw = yaml.safe_load(asked.file.read_text())
    rows = [
        _row(asked, raw, method, seed)
        for seed in map(int, asked.seeds.split(","))
        for method in asked.methods.split(",")
    ]
    gains = {
        "reconstructed": _gain(rows, "reconstructed", "random"),
        "recovered": _gain(rows, "recovered", "random"),
        "recovered, over plain": _gain(rows, "recovered", "plain"),
    }
    print(json.dumps({"floor_points": asked.floor, "rows": rows, "gain": gains}, indent=1))
    wanted = gains["recovered, over plain" if asked.recover else "reconstructed"]
    return 0 if wanted is None or wanted >= asked.gain else 1


def _row(asked: argparse.Namespace, raw: dict[str, Any], method: str, seed: int) -> dict[str, Any]:
    """One search of one seed; what was done before is not done again."""
    spec = {**raw["spec"], "seed": seed if asked.network is None else asked.network}
    name = f"{method} {seed}"
    trials, recover = (asked.plain, asked.plain) if method == "plain" else (asked.trials, asked.recover)
    changes = {"name": name, "spec": spec, "trials": trials, "recover": recover, "seed": seed}
    document = documents.read({**raw, **changes}, str(asked.file))
    store, started, cpu = Store(asked.results), time.monotonic(), time.process_time()
    compute_with(document.threads)
    by_chance = method in ("random", "plain")
    training_sampler = _sampler("random", seed) if by_chance else None
    with study.open_studies(store, document, _sampler(method, seed), training_sampler, warm=not by_chance) as studies:
        search = Search(store, studies, LocalExecutor(store, slots(document.threads, [])), show=_tell(name))
        search.work()
        untouched, outcomes, recoveries = search.untouched, studies.outcomes(), studies.recoveries()
    assert untouched is not None  # nothing stops it
    floor = untouched.accuracy - asked.floor / 100

    def volume(found: Sequence[Outcome]) -> float:
        return round(outcome.volume(found, untouched, document.costs, floor), 4)

    return {
        "method": method,
        "seed": seed,
        "untouched": untouched.accuracy,
        "trials": len(outcomes),
        "reconstructed": volume(outcomes),
        "by_trials": {count: volume(outcomes[:count]) for count in range(10, len(outcomes) + 1, 10)},
        "recoveries": len(recoveries),
        "recovered": volume(recoveries) if recoveries else None,
        "chance_floor": round(outcome.volume(outcomes, untouched, document.costs, 0.1), 4),
        "seconds": round(time.monotonic() - started),
        "cpu_seconds": round(time.process_time() - cpu),
    }


def _sampler(method: str, seed: int) -> Any:
    """Random search's own; None for the one that a search has."""
    from optuna import samplers

    def chance() -> Any:
        return samplers.RandomSampler(seed)

    others: dict[str, Callable[[], Any]] = {
        "random": chance,
        "plain": chance,
        "nsga2": lambda: samplers.NSGAIISampler(seed=seed, population_size=16),
        "gp": lambda: samplers.GPSampler(seed=seed, deterministic_objective=True),
    }
    return others[method]() if method in others else None


def _tell(name: str) -> Any:
    def tell(standing: Any) -> None:
        print(f"{name}: {standing.done} of {standing.total}", file=sys.stderr, flush=True)

    return tell


def _gain(rows: Sequence[dict[str, Any]], kind: str, other: str) -> float | None:
    """By how much search is better in the mean over seeds, as a share; None where either is missing."""
    by_method = {m: [row[kind] for row in rows if row["method"] == m and row[kind] is not None] for m in METHODS}
    if not (by_method["search"] and by_method[other]):
        return None
    search, chance = (statistics.mean(by_method[method]) for method in ("search", other))
    return round(search / chance - 1, 3) if chance else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
