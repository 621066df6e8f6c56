"""The way of somebody who has just typed `make app`: by clicks alone to the curve of a network of one's own."""

import re
import time
from dataclasses import dataclass

from playwright.sync_api import Page

from benchmarks.browser.measuring import press
from benchmarks.browser.serving import Dashboard

UNTRAINED, TRAINED = "No training: reconstruct only", "Two-minute demo"
LIMITS = {UNTRAINED: 60.0, TRAINED: 180.0}  # s
MOST_CLICKS = 4
_PATIENCE = 900_000  # ms
_COUNT = """addEventListener("click", (event) => {
  if (event.isTrusted) sessionStorage.clicks = Number(sessionStorage.clicks ?? 0) + 1;
}, true)"""


@dataclass(frozen=True)
class Way:
    """How many clicks it took, as the browser counts them, and how many seconds from the command to the curve."""

    clicks: int
    seconds: float


def to_first_curve(page: Page, dashboard: Dashboard, preset: str) -> Way:
    """From Explore by *Try your own*, a preset, *Prune* and the word that the run has ended to its curve."""
    page.add_init_script(_COUNT)
    page.goto(dashboard.address)
    for button in ("Try your own", preset):
        press(page, button)
    page.get_by_text(re.compile("Change what you like below")).wait_for()
    press(page, "Prune")
    ending = page.get_by_test_id("stToast").get_by_role("link", name=re.compile("^Show the curve"))
    ending.wait_for(timeout=_PATIENCE)
    ending.click()
    page.get_by_role("figure", name=re.compile("Top-1 against MACs")).wait_for()
    return Way(int(page.evaluate("sessionStorage.clicks")), time.monotonic() - dashboard.began)
