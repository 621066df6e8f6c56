"""The path of somebody who has just typed `make app`: to a first own curve by a few clicks, and no key."""

import pytest
from playwright.sync_api import Page

from benchmarks.browser import newcomer
from benchmarks.browser.serving import Dashboard
from engine.storage.store import Store


@pytest.mark.timeout(1000)
def test_a_newcomer_has_an_own_curve_after_four_clicks_without_training(
    results: Store, served: Dashboard, page: Page
) -> None:
    """How long that takes is measured by `python -m benchmarks.browser --curves`."""
    way = newcomer.to_first_curve(page, served, newcomer.UNTRAINED)
    assert way.clicks <= newcomer.MOST_CLICKS
    own = [run for run in results.runs() if not run["gallery"]]
    assert own and all(run["state"] == "done" for run in own)
