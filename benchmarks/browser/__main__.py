"""The dashboard in a real Chromium: until something is painted, until the chart, from a click to a card, from a press on.

    python -m benchmarks.browser [--repeats 5]

Medians over fresh browser contexts, which have nothing of the page yet; the first visit, in which the server imports
what its pages need, is told apart. The results folder is an empty one with the shipped gallery. Exit code 1 where a
median is above what is wanted, which holds on a machine that does nothing else.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.browser import measuring
from benchmarks.browser.measuring import LIMITS, Figures
from benchmarks.browser.serving import chromium, dashboard
from engine.jobs.worker import worker_of
from engine.storage.store import Store


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", allow_abbrev=False)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args(arguments).repeats
    with tempfile.TemporaryDirectory(prefix="espalier-browser-") as scratch:
        visits, launches = _measure(Path(scratch), repeats)
    _print("first visit", visits[:1])
    missed = _print(f"median of {repeats}", visits[1:]) + _print(f"median of {repeats}", launches)
    return min(missed, 1)


def _measure(scratch: Path, repeats: int) -> tuple[list[Figures], list[Figures]]:
    store = Store(scratch / "results")
    with dashboard(store.root, scratch / "server.log") as served, chromium() as browser:
        try:
            visits = [measuring.explore(browser, served) for _ in range(1 + repeats)]
            return visits, [measuring.launch(browser, served) for _ in range(repeats)]
        finally:
            worker = worker_of(store)
            if worker is not None:
                worker.signal(15)


def _print(title: str, rows: list[Figures]) -> int:
    """Prints the medians of each figure; how many of them are above what is wanted."""
    missed = 0
    for name in rows[0] if rows else ():
        median = statistics.median(row[name] for row in rows)
        wanted = f"   wanted: at most {LIMITS[name]:g} s" if name in LIMITS else ""
        missed += name in LIMITS and median > LIMITS[name]
        print(f"{title:12} {name:34} {median:7.2f} s{wanted}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
