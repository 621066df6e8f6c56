"""Explore's chart and card in a real browser: what a click on them changes, at once and on the rest of the page."""

import re

from playwright.sync_api import Page, expect

from app.plotly_code import KINDS
from tests.support.browser import settle, visit

_POINTS = ".st-key-tradeoff path.point"
_TITLE = "[data-testid=stMetricValue]"
_DRAW = """async (kinds) => {
  const drawn = {};
  for (const type of kinds) {
    const place = document.body.appendChild(document.createElement("div"));
    await Plotly.newPlot(place, [{ type, x: [1, 2], y: [3, 4], z: [[1, 2], [3, 4]], values: [1, 2] }]);
    drawn[type] = place._fullData[0].type === type && place.calcdata[0].length > 0;
    place.remove();
  }
  return drawn;
}"""


def test_a_click_shows_the_card_and_then_the_rest_of_the_page_follows(address: str, page: Page) -> None:
    visit(page, address)
    page.locator(_POINTS).first.wait_for()
    settle(page)
    before = page.locator(_TITLE).first.inner_text()
    boxes = [box for point in page.locator(_POINTS).all() if (box := point.bounding_box())]
    box = max(boxes, key=lambda box: box["y"])  # the lowest lies apart from the others
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(_TITLE).first).not_to_have_text(before)
    settle(page)
    point = re.search(r"point=([^&]+)", page.url)
    assert point is not None
    page.get_by_role("button", name="Link").click()
    expect(page.get_by_test_id("stCode").filter(has_text=point[1])).to_be_visible()  # which stands outside of both
    page.keyboard.press("Escape")

    page.get_by_role("button", name=re.compile("Why is it not faster")).first.click()
    expect(page.get_by_role("dialog")).to_contain_text("beside the untouched network")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    settle(page)

    count = len(boxes)
    page.locator(".st-key-tradeoff .traces").filter(has_text="Taylor").locator(".legendtoggle").click()
    expect(page.locator(_POINTS)).not_to_have_count(count)
    settle(page)
    expect(page.get_by_role("figure", name=re.compile(r"for 3\d models"))).to_be_visible()


def test_a_browser_draws_every_kind_of_trace_that_charts_are_made_of_and_no_other(address: str, page: Page) -> None:
    visit(page, address)
    page.locator(_POINTS).first.wait_for()
    drawn = page.evaluate(_DRAW, [*KINDS, "pie"])
    assert drawn == {**dict.fromkeys(KINDS, True), "pie": False}
