"""A network is carried over from one domain to another in a real browser, and no key is pressed."""

import re

import pytest
from playwright.sync_api import Page, expect

from app import format
from engine.storage.folders.run import Run
from engine.storage.records.event import PseudoLabelAnswers, PseudoLabels
from engine.storage.store import Store
from tests.support.browser import SECOND, choose, popover, press, settle, step, visit


@pytest.mark.timeout(900)
def test_a_transfer_run_is_launched_by_clicks_watched_and_seen_on_both_domains(
    results: Store, address: str, page: Page
) -> None:
    visit(page, f"{address}/launch")
    press(page, "Does it run?")
    expect(page.get_by_text("Change what you like below")).to_be_visible()
    choose(page, "Images", "mnist5k")
    choose(page, "Target", "digits")
    expect(page.get_by_text("every point is tested on both")).to_be_visible()
    _ask_for_little(page)
    expect(page.get_by_text("'mnist5k>digits'")).to_be_visible()
    press(page, "Prune")

    expect(page.get_by_text(re.compile("1 running"))).to_be_visible()
    expect(page.get_by_text("resnet20 on mnist5k>digits").first).to_be_visible()
    expect(page.get_by_text(re.compile("1 done"))).to_be_visible(timeout=300 * SECOND)
    (row,) = [run for run in results.runs() if not run["gallery"]]
    run = results.run(row["run_id"])
    assert row["state"] == "done" and row["points"] == 3, row["error"]
    _see_on_the_runs_page(page, address, run)
    _see_in_explore(page, address, run)


def _ask_for_little(page: Page) -> None:
    """The preset asks for few images and one epoch each, of channels and one target alone; pseudo-labels need little
    confidence then.
    """
    with popover(page, "Transfer"):
        step(page, "Least confidence", 0.1, 0.1)
    settle(page)


def _see_on_the_runs_page(page: Page, address: str, run: Run) -> None:
    """How many pseudo-labels were taken, and how many of them were right."""
    visit(page, f"{address}/runs?run={run.id}")
    last, right = run.events(PseudoLabels)[-1], run.events(PseudoLabelAnswers)[-1]
    assert last.taken > 0
    expect(page.get_by_text(f"Pseudo-labels: {last.taken:,} of {last.of:,} target images")).to_be_visible()
    expect(page.get_by_text(f"{right.correct:,} of {right.taken:,}").last).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("Pseudo-labels made"))).to_be_visible()


def _see_in_explore(page: Page, address: str, run: Run) -> None:
    """Accuracy on the target is drawn, that on the source can be, and the card has both."""
    final = run.points()[-1]
    visit(page, f"{address}/?point={run.id}.{final.point}&data=mnist5k%3Edigits")
    for label, share in (("Top-1 on digits", final.target_top1), ("Top-1 on mnist5k", final.source_top1)):
        metric = page.get_by_test_id("stMetric").filter(has_text=label)
        expect(metric.get_by_test_id("stMetricValue")).to_have_text(format.percent(share))
    expect(page.get_by_role("figure", name=re.compile("Top-1 on digits against MACs for 2 models"))).to_be_visible()
    choose(page, "Quality", "Source top-1")
    expect(page.get_by_role("figure", name=re.compile("Top-1 on mnist5k against MACs for 2 models"))).to_be_visible()
