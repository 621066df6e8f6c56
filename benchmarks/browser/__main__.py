"""The dashboard in a real Chromium: its first paint, its chart, from a click to a card, from a press to a movement.

    python -m benchmarks.browser [--repeats 5] [--curves]

Medians over fresh browser contexts, which have nothing of the page yet; the first visit, in which the server imports
what its pages need, is told apart. The results folder is an empty one with the shipped gallery. With --curves also what
a newcomer waits for, once for each preset: from the command to the curve of a first run, on a dashboard of its own.
Exit code 1 where a figure is above what is wanted, which holds on a machine that does nothing else.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

from playwright.sync_api import Browser

from app.tables.store import ACTIVE
from benchmarks.browser import measuring, newcomer
from benchmarks.browser.measuring import LIMITS, Figures
from benchmarks.browser.serving import Dashboard, chromium, dashboard
from engine.jobs.queue import Queue
from engine.jobs.worker import worker_of
from engine.storage.store import Store


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", allow_abbrev=False)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--curves", action="store_true", help="a newcomer's runs, too, which takes minutes")
    options = parser.parse_args(arguments)
    repeats, of = options.repeats, f"median of {options.repeats}"
    with _served() as (served, store), chromium() as browser:
        _print("first visit", [measuring.explore(browser, served)])
        missed = _print(of, [measuring.explore(browser, served) for _ in range(repeats)])
        missed += _print(of, [_launch(browser, served, store) for _ in range(repeats)])
    for preset in newcomer.LIMITS if options.curves else ():
        with _served() as (served, _), chromium() as browser:
            missed += _print("a newcomer", [{preset: _curve(browser, served, preset)}])
    return min(missed, 1)


@contextmanager
def _served() -> Iterator[tuple[Dashboard, Store]]:
    """A dashboard over an empty results folder, whose worker ends with the block."""
    with tempfile.TemporaryDirectory(prefix="espalier-browser-") as scratch:
        store = Store(Path(scratch) / "results")
        with dashboard(store.root, Path(scratch) / "server.log") as served:
            try:
                yield served, store
            finally:
                worker = worker_of(store)
                if worker is not None:
                    worker.signal(SIGTERM)


def _launch(browser: Browser, served: Dashboard, store: Store) -> Figures:
    """One launch, of which nothing goes on afterwards."""
    figures = measuring.launch(browser, served)
    active = [run["run_id"] for run in store.runs() if run["state"] in ACTIVE]
    for run_id in active:
        Queue(store).cancel(run_id)
    while any(store.run(run_id).status().state in ACTIVE for run_id in active):
        time.sleep(0.2)
    return figures


def _curve(browser: Browser, served: Dashboard, preset: str) -> float:
    page = measuring.new_page(browser)
    way = newcomer.to_first_curve(page, served, preset)
    page.context.close()
    return way.seconds


def _print(title: str, rows: list[Figures]) -> int:
    """Prints the medians of each figure; how many of them are above what is wanted."""
    limits = {**LIMITS, **newcomer.LIMITS}
    missed = 0
    for name in rows[0] if rows else ():
        median = statistics.median(row[name] for row in rows)
        wanted = f"   wanted: at most {limits[name]:g} s" if name in limits else ""
        missed += name in limits and median > limits[name]
        print(f"{title:12} {name:34} {median:7.2f} s{wanted}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
