"""Every method beside Torch-Pruning on a pretrained ResNet-56: half the MACs, the same data, the same training budget.

    python -m benchmarks.peers --weights FILE --data npz:FILE --dir DIR
                               [--jobs N] [--seeds 0,1,2] [--only PART] [--report]

Ours are real runs of the engine in DIR, theirs land in DIR/peers; what is there already is not done again, so this can
be interrupted and repeated. At the end (with --report: at once) all networks are timed in one interleaved pass, and a
table of everything, losers included, goes to the screen and to DIR/peers.md. --only keeps the entries whose name holds
PART. Exit code 1 when Torch-Pruning as it is wins, or nothing of ours within a point of it has 0.7× of its latency.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.peers import contest
from benchmarks.peers.entries import entries
from engine.errors import RequestError
from engine.measure.machine import cores


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    data = options.data
    if data.startswith("npz:"):
        data = f"npz:{Path(data.removeprefix('npz:')).resolve()}"
    chosen = tuple(entry for entry in entries() if options.only in entry.name)
    if not chosen:
        print(f"no entry's name holds {options.only!r}", file=sys.stderr)
        return RequestError.exit_code
    seeds = tuple(int(seed) for seed in options.seeds.split(","))
    compared = contest.Contest(str(options.weights.resolve()), data, options.dir.resolve(), seeds, chosen)
    if options.rival:
        contest.compete(compared)
        return 0
    failed = 0 if options.report else contest.work(contest.tasks_left(compared), options.jobs)
    return max(contest.report(compared), min(failed, 1))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", allow_abbrev=False)
    parser.add_argument("--weights", type=Path, required=True, help="a checkpoint of ResNet-56")
    parser.add_argument("--data", required=True, help="as the engine takes it, with a val split of its own")
    parser.add_argument("--dir", type=Path, required=True, help="a results folder for the runs and the table")
    parser.add_argument("--jobs", type=int, default=cores(), help="runs at once, one thread each")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default="", help="a part of the entries' names")
    parser.add_argument("--report", action="store_true", help="run nothing, only time and tell")
    parser.add_argument("--rival", action="store_true", help=argparse.SUPPRESS)  # how this starts itself
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
