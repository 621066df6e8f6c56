"""What a browser takes until something is seen, each figure in seconds, by the browser's own clock where it has one."""

import re
import time
from contextlib import suppress

from playwright.sync_api import Browser, Page, TimeoutError

from benchmarks.browser.serving import AS_UNWATCHED, Dashboard

PAINT, CHART, CARD, MOVEMENT = "first paint", "chart", "click to card", "press to movement"
TITLE, SERVER, NETWORK = "title", "processor of the server, a visit", "press to a first network"
LIMITS = {PAINT: 2.0, CHART: 3.0, CARD: 0.4, MOVEMENT: 5.0}
Figures = dict[str, float]
_PATIENCE = 300_000  # ms
_SECOND = 1000.0
_WINDOW_OPENS = 2_000  # ms, in which Chromium loads a hundred scripts of its own for the box that takes addresses
_SIZE = {"width": 1280, "height": 800}
_LOOKS = 100  # ms between two questions whether something is there
_PAUSE = 1_000  # ms before a click, as somebody takes who looks at the chart first
_MOST_WAITED = 5_000  # ms for a card; what was clicked on then was no point
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
# The page notes by itself when something is there, and when a card is another one than before a press: whoever asks it
# again and again has it draw frames, and takes the processors from it.
_NOTES = """
const notes = window.notes = {};
const places = { title: "h1", chart: ".js-plotly-plot path.point", card: "[data-testid=stMetricValue]" };
const card = () => document.querySelector(places.card)?.innerText;
let before;
addEventListener("pointerdown", (press) => {
  [before, notes.pressed, notes.changed] = [card(), press.timeStamp, undefined];
}, true);
new MutationObserver(() => {
  for (const name in places) {
    if (!(name in notes) && document.querySelector(places[name])) notes[name] = performance.now();
  }
  const now = card();
  if (notes.pressed && !notes.changed && now && now !== before) notes.changed = performance.now();
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
_AT_REST = "() => document.querySelector('[data-test-script-state=notRunning]')"
_NETWORK_IS_THERE = "() => document.querySelector('[class*=st-key-points-] .js-plotly-plot')"
_MOVES = "() => [...document.querySelectorAll('[role=progressbar]')].some((bar) => Number(bar.ariaValueNow) > 0)"


def explore(browser: Browser, dashboard: Dashboard) -> Figures:
    """The home page in a browser that has seen nothing of it, and a click on one of its points."""
    page = new_page(browser)
    used = dashboard.cpu_seconds()
    page.goto(dashboard.address, wait_until="commit")
    _wait(page, "() => notes.title && notes.chart && notes.card")
    figures = {TITLE: page.evaluate("notes.title") / _SECOND, CHART: page.evaluate("notes.chart") / _SECOND}
    figures[PAINT] = page.evaluate(_PAINTED) / _SECOND
    _wait(page, _AT_REST)
    figures[SERVER] = dashboard.cpu_seconds() - used
    figures[CARD] = _click_another_point(page)
    page.context.close()
    return figures


def launch(browser: Browser, dashboard: Dashboard) -> Figures:
    """From the press of *Prune*, with nothing to train, until the bar of the run's card has moved, and until a first
    network is measured and drawn.
    """
    page = new_page(browser)
    page.goto(f"{dashboard.address}/launch")
    press(page, "No training: reconstruct only")
    page.get_by_text(re.compile("Change what you like below")).wait_for()
    began = press(page, "Prune")
    _wait(page, _MOVES)
    figures = {MOVEMENT: time.monotonic() - began}
    _wait(page, _NETWORK_IS_THERE)
    figures[NETWORK] = time.monotonic() - began
    page.context.close()
    return figures


def new_page(browser: Browser) -> Page:
    """A page in a context of its own, which has nothing of the dashboard yet."""
    context = browser.new_context(viewport=_SIZE)  # type: ignore[arg-type]
    context.add_init_script(AS_UNWATCHED)
    context.add_init_script(_NOTES)
    page = context.new_page()
    page.set_default_timeout(_PATIENCE)
    page.wait_for_timeout(_WINDOW_OPENS)
    return page


def press(page: Page, name: str) -> float:
    """Presses a button of the page at rest; when that was."""
    _wait(page, _AT_REST)
    button = page.get_by_role("button", name=re.compile(f"^{name}"))
    button.wait_for()
    began = time.monotonic()
    button.click()
    return began


def _wait(page: Page, condition: str) -> None:
    page.wait_for_function(condition, polling=_LOOKS)


def _click_another_point(page: Page) -> float:
    """From a click on a point, which is not the selected one, until its card is there."""
    page.wait_for_timeout(_PAUSE)
    points = page.locator(".js-plotly-plot path.point")
    boxes = [box for number in range(points.count()) if (box := points.nth(number).bounding_box())]
    for box in sorted(boxes, key=lambda box: box["y"], reverse=True):  # the lowest lie apart from each other
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        with suppress(TimeoutError):
            page.wait_for_function("() => notes.changed", polling=_LOOKS, timeout=_MOST_WAITED)
            return float(page.evaluate("notes.changed - notes.pressed")) / _SECOND
    raise RuntimeError("no click on a point was taken")
