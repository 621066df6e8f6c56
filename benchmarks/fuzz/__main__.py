"""Tries hostile inputs on everything that reads what somebody else may have written.

    python -m benchmarks.fuzz [--kind npz]… [--count N] [--seed 0] [--keep DIR] [--json]
    python -m benchmarks.fuzz --kind npz --replay FILE

Each input is a damaged valid one. It is to be taken, or refused in one sentence, within 10 seconds and 1 GiB; the exit
code is 1 when one was not. The same seed gives the same inputs; those that failed are kept in DIR, to be replayed.
"""

import argparse
import faulthandler
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.fuzz.batches import run
from benchmarks.fuzz.inputs import Input
from benchmarks.fuzz.kinds import KINDS, load
from benchmarks.fuzz.trial import LIMIT_SECONDS, Tally, attempt


def _report(rows: list[tuple[str, Tally, float]], as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: asdict(tally) | {"seconds": seconds} for name, tally, seconds in rows}))
        return
    table = Table("kind", "inputs", "refused", "taken", "slowest, s", "memory, MiB", "failures", "seconds")
    for name, tally, seconds in rows:
        counts = (tally.inputs, tally.refused, tally.inputs - tally.refused - tally.failed)
        sizes = (f"{tally.slowest:.2f}", f"{tally.memory:,.0f}", f"{tally.failed:,}", f"{seconds:,.0f}")
        table.add_row(name, *(f"{count:,}" for count in counts), *sizes)
    Console().print(table)
    for name, tally, _ in rows:
        for place, failure in tally.failures.items():
            print(f"{name}-{place} ({failure.count}): {failure.report.strip().splitlines()[-1][:300]}")


def main() -> int:
    """The exit code: 1 when any input failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="all of them by default; may be repeated")
    parser.add_argument("--count", type=int, help="inputs of each kind; 10,000 by default, and 1,000 links")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where failing inputs go")
    parser.add_argument("--replay", type=Path, help="one input that was kept, of the one --kind")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = options.kind or list(KINDS)
    if options.replay:
        if len(names) != 1:
            parser.error("--replay needs one --kind")
        faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
        print("refused" if attempt(load(names[0]), Input.loads(options.replay.read_text())) else "taken")
        return 0
    rows = [(name, *run(name, options.seed, options.count, options.keep)) for name in names]
    _report(rows, options.json)
    return 1 if any(tally.failures for _, tally, _ in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
