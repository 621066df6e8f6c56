"""The dashboard in a real Chromium: its first paint, its chart, from a click to a card, from a press to a movement.

    python -m benchmarks.browser [--repeats 5]

Medians over fresh browser contexts, which have nothing of the page yet; the first visit, in which the server imports
what its pages need, is told apart. The results folder is an empty one with the shipped gallery. Exit code 1 where a
median is above what is wanted, which holds on a machine that does nothing else.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGTERM

from playwright.sync_api import Browser

from app.tables.store import ACTIVE
from benchmarks.browser import measuring
from benchmarks.browser.measuring import LIMITS, Figures
from benchmarks.browser.serving import Dashboard, chromium, dashboard
from engine.jobs.queue import Queue
from engine.jobs.worker import worker_of
from engine.storage.store import Store


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", allow_abbrev=False)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args(arguments).repeats
    with tempfile.TemporaryDirectory(prefix="espalier-browser-") as scratch:
        store = Store(Path(scratch) / "results")
        with dashboard(store.root, Path(scratch) / "server.log") as served, chromium() as browser:
            _print("first visit", [measuring.explore(browser, served)])
            missed = _print(f"median of {repeats}", [measuring.explore(browser, served) for _ in range(repeats)])
            try:
                missed += _print(f"median of {repeats}", [_launch(browser, served, store) for _ in range(repeats)])
            finally:
                worker = worker_of(store)
                if worker is not None:
                    worker.signal(SIGTERM)
    return min(missed, 1)


def _launch(browser: Browser, served: Dashboard, store: Store) -> Figures:
    """One launch, of which nothing goes on afterwards."""
    figures = measuring.launch(browser, served)
    active = [run["run_id"] for run in store.runs() if run["state"] in ACTIVE]
    for run_id in active:
        Queue(store).cancel(run_id)
    while any(store.run(run_id).status().state in ACTIVE for run_id in active):
        time.sleep(0.2)
    return figures


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
