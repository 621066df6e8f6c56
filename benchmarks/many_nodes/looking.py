"""Somebody who looks at the dashboard while the sweep goes on: what a redraw takes, in a process of its own.

`python -m benchmarks.many_nodes.looking RESULTS` redraws Explore and Runs in turn until its input ends, and then prints
one JSON document: for each page how often it was drawn, and the seconds of the slowest and the middle one, on the
wall's clock and of the processor. A redraw is the page's script from its first line to its last, the index brought up
to date with what has ended meanwhile included.
"""

import functools
import json
import os
import selectors
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, local_script_runner
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

PAGES = ("explore", "runs")
PAUSE_SECONDS = 2.0  # between two redraws, as a page's own refresh waits
_MAIN = Path(__file__).parents[2] / "app" / "main.py"


def main(root: str) -> None:
    os.environ["ESPALIER_RESULTS"] = root
    manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)
    local_script_runner.require_widgets_deltas = _wait
    page = AppTest.from_file(str(_MAIN), default_timeout=600)
    drawn: dict[str, list[tuple[float, float]]] = {name: [] for name in PAGES}
    _redraw(page)  # what a process draws first, it also imports
    print("ready", flush=True)
    while not _is_over():
        for name in PAGES:
            page.switch_page(f"../pages/{name}.py")
            drawn[name].append(_redraw(page))
    print(json.dumps({name: _summary(times) for name, times in drawn.items()}))


def _wait(runner: LocalScriptRunner, timeout: float = 0.0) -> None:
    """Until the script has ended. Streamlit's own asks every millisecond, and takes the interpreter from it each time,
    as no server does.
    """
    runner.join()


def _redraw(page: AppTest) -> tuple[float, float]:
    """Seconds on the wall's clock, and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    page.run()
    if page.exception:
        raise RuntimeError(page.exception[0].message)
    return time.perf_counter() - wall, time.process_time() - processor


def _summary(times: list[tuple[float, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {"redraws": len(times)}
    for name, seconds in zip(("seconds", "processor_seconds"), zip(*times, strict=True), strict=True):
        found[name] = {"median": round(statistics.median(seconds), 3), "slowest": round(max(seconds), 3)}
    return found


def _is_over() -> bool:
    """Whether the input has ended; waits a moment for it."""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        return bool(selector.select(PAUSE_SECONDS))


if __name__ == "__main__":
    main(*sys.argv[1:])
