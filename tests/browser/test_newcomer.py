"""The path of somebody who has just typed `make app`: to a first own curve by a few clicks, and no key."""

import re
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.storage.store import Store
from tests.support.browser import SECOND, button_of, settle, visit

MOST_CLICKS = 4


@pytest.mark.timeout(1000)
def test_a_newcomer_has_an_own_curve_after_four_clicks_without_training(
    results: Store, address: str, page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = 0

    def click(target: Locator) -> None:
        nonlocal clicks
        settle(page)
        target.click()
        clicks += 1

    began = time.monotonic()
    visit(page, address)
    click(button_of(page, "Try your own"))
    click(button_of(page, "No training: reconstruct only"))
    expect(page.get_by_text("Change what you like below")).to_be_visible()
    click(page.get_by_role("button", name=re.compile("^Prune")))
    way = page.get_by_test_id("stToast").get_by_role("link", name=re.compile("^Show the curve"))
    way.wait_for(timeout=700 * SECOND)
    way.click()
    clicks += 1
    expect(page.get_by_role("figure", name=re.compile("Top-1 against MACs"))).to_be_visible()
    seconds = time.monotonic() - began

    assert clicks <= MOST_CLICKS
    own = [run for run in results.runs() if not run["gallery"]]
    assert own and all(run["state"] == "done" for run in own)
    with capsys.disabled():
        print(f"\n{clicks} clicks and {seconds:.0f} s to the first own curve")
