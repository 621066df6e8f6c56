"""How soon the page Methods answers when the slider of its demonstration is moved: the time of its whole script."""

import functools
import statistics
import time
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

MOST_SECONDS = 0.3
_MAIN = Path(__file__).parents[2] / "app" / "main.py"

# A test's app looks through all installed packages each time it runs, which the dashboard does once, when it starts.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def seconds(card: str) -> list[tuple[float, float]]:
    """For every position of the slider, with the card open: seconds until all is drawn anew, and of the processor."""
    at = AppTest.from_file(str(_MAIN), default_timeout=60)
    at.query_params["method"] = card
    at.run()
    at.switch_page("../pages/methods.py")
    at.run()
    taken = []
    for option in at.select_slider[0].options:
        started = time.perf_counter(), time.process_time()
        at.select_slider[0].set_value(int(option)).run()
        taken.append((time.perf_counter() - started[0], time.process_time() - started[1]))
        if at.exception:
            raise SystemExit(at.exception[0].value)
    return taken


def report(cards: list[str]) -> int:
    """Prints the median and the slowest for each card; exit code 1 where a median is above the limit."""
    medians = []
    for card in cards:
        taken = seconds(card)
        wall, processor = (statistics.median(each) for each in zip(*taken, strict=True))
        medians.append(wall)
        print(f"{card}: median {1000 * wall:.0f} ms, {1000 * processor:.0f} ms of the processor, {len(taken)} times")
    return int(max(medians) > MOST_SECONDS)
