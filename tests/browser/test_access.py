"""Every page by axe-core in both themes and at both widths; and the dashboard by keys, on a phone, behind a window."""

import re
import time
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from engine.boards.registry import Registry, parse
from engine.storage.store import Store
from tests.support import runs
from tests.support.board_rig import gallery_points
from tests.support.browser import PATIENCE, SECOND, settle, visit

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
GRAVE = ("serious", "critical")
Rules = dict[str, Any]  # what axe is asked for
# How each page is looked at, and by which rules: nothing but colours depends on the theme, and those not on the width.
_OF_COLOURS = ("color-contrast", "link-in-text-block")  # the first takes longer than all others
COLOURS: Rules = {"runOnly": {"type": "rule", "values": list(_OF_COLOURS)}}
FORMS: Rules = {"rules": {rule: {"enabled": False} for rule in _OF_COLOURS}}
LOOKS: tuple[tuple[str, dict[str, int], Rules], ...] = (
    ("light", PHONE, FORMS),
    ("light", WIDE, {}),
    ("dark", WIDE, COLOURS),
)
MOST_TABS = 15
_REDRAWN_SECONDS = 20.0
FOCUS = """() => {
  const { tagName, innerText, dataset } = document.activeElement;
  return `${tagName} ${dataset.testid ?? ""} ${innerText.replaceAll("\\n", " ")}`;
}"""
RING = "() => getComputedStyle(document.activeElement).boxShadow"
# What the browser would show, and every move of what stands on the page without the user's doing.
WATCH = """() => {
  window.told = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() { return (this.permission = "granted"); }
    constructor(title, { body }) { window.told.push(body); }
  };
}"""
MOVES = """() => new Promise((answer) => {
  const found = (list) => answer(list.getEntries().filter((shift) => !shift.hadRecentInput).length);
  new PerformanceObserver(found).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => answer(0), 500);
})"""


@pytest.mark.timeout(900)
def test_axe_finds_nothing_serious_on_any_page_in_either_theme_at_either_width(
    results: Store, address: str, page: Page
) -> None:
    done = _fill(results)
    models = ",".join(map(str, gallery_points()))
    pages = ("", f"compare?points={models}", "launch", "landscape", f"runs?run={done}", "devices", "methods")
    found = []
    for path in pages:
        visit(page, f"{address}/{path}")
        for theme, size, rules in LOOKS:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.wait_for_timeout(SECOND / 2)
            settle(page)
            grave = _findings(page, rules)
            found += [f"{path or 'explore'}, {theme}, {size['width']}: {each}" for each in grave]
    assert not found, "\n".join(found)


def _fill(results: Store) -> str:
    """A run that failed, one that is done, and a board that nobody has asked; the id of the one that is done."""
    results.create(runs.spec(criterion="l1")).update(state="failed", error="the loss is not finite")
    Registry(results.root).add(parse("tx2", "tx2.invalid"))
    return runs.finished(results, runs.spec()).id


def _findings(page: Page, rules: Rules) -> list[str]:
    """What axe finds, and finds again: another theme has the page drawn anew, which a busy machine is late with."""
    deadline = time.monotonic() + _REDRAWN_SECONDS
    while (found := _found_by_axe(page, rules)) and time.monotonic() < deadline:
        page.wait_for_timeout(SECOND)
        settle(page)
    return found


def _found_by_axe(page: Page, rules: Rules) -> list[str]:
    response: dict[str, Any] = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response
    grave = [each for each in response["violations"] if each["impact"] in GRAVE]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in grave]


@pytest.mark.timeout(900)
def test_keys_a_phone_and_another_window_are_enough(results: Store, address: str, page: Page) -> None:
    done = _fill(results)
    page.add_init_script(f"({WATCH})()")
    _reach_the_button_by_tabs(page, address)
    _tick_a_row_by_keys(page, address, done)
    _choose_from_the_menu_of_a_phone(page, address)
    _hear_of_an_ending(page, address, results)


def _reach_the_button_by_tabs(page: Page, address: str) -> None:
    visit(page, f"{address}/launch")
    expect(page.get_by_role("button", name=re.compile("^Prune"))).to_be_enabled()
    tabs = _tab_to(page, "A .*Go to the button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^Prune"))).to_be_focused()
    assert tabs <= MOST_TABS
    assert page.evaluate(RING) != "none", "the focus is not to be seen"


def _tick_a_row_by_keys(page: Page, address: str, done: str) -> None:
    """With Space on Runs, where any number can be ticked; on Explore by stepping, from the ticked row on.

    The same key presses the tools above a table.
    """
    visit(page, f"{address}/runs")
    table = page.get_by_test_id("stDataFrame").first
    table.hover()
    table.get_by_role("button", name="Search").focus()
    page.keyboard.press("Space")
    expect(table.get_by_test_id("search-input")).to_be_visible()
    visit(page, f"{address}/runs")
    _tab_to(page, "CANVAS")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile(f"run={done}"))
    visit(page, address)
    _tab_to(page, "CANVAS")
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("point="))


def _choose_from_the_menu_of_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    visit(page, address)
    chart = page.locator(".st-key-tradeoff")
    tools, legend = (chart.locator(name).first.bounding_box() for name in (".modebar", ".legend"))
    assert tools and legend and tools["y"] + tools["height"] <= legend["y"], "the tools lie on the legend"
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("link", name="Methods").click()
    expect(page.get_by_role("heading", name="How pruning works")).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", "true")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def _hear_of_an_ending(page: Page, address: str, results: Store) -> None:
    """By a toast and, as it was asked for, by the browser, on whatever page one is; and nothing moves on it."""
    run = runs.underway(results, runs.spec(seed=7))
    visit(page, f"{address}/runs")
    switch = page.get_by_role("switch", name="Notify me when a run ends")
    expect(switch).not_to_be_checked()
    assert page.evaluate("() => Notification.permission") == "default", "it was asked for before anybody wanted it"
    page.locator(".st-key-tell_endings label").first.click()
    settle(page)
    page.get_by_role("link", name="Devices").click()
    expect(page.get_by_role("heading", name="Devices")).to_be_visible()
    settle(page)
    page.wait_for_timeout(SECOND)
    before = page.evaluate(MOVES)
    run.update(state="done", progress=1.0, message="done", times={"started": 1.0, "finished": 90.0})
    run.lock.release()
    expect(page.get_by_test_id("stToast").get_by_text(re.compile("is done"))).to_be_visible()
    page.wait_for_function("() => window.told.length", timeout=PATIENCE)
    assert page.evaluate("() => window.told") == ["resnet20, BN scale, seed 7 is done."]
    assert page.evaluate(MOVES) == before, "the news moved what stands on the page"


def _tab_to(page: Page, words: str) -> int:
    """Presses Tab until the focus is on a link, or an element of another kind, with these words; how often."""
    for number in range(1, 120):
        page.keyboard.press("Tab")
        if re.match(words, page.evaluate(FOCUS)):
            return number
    raise AssertionError(f"no Tab leads to {words}")
