"""The whole workflow in a real browser: launch, watch, cancel one, see the curve, click a point, download its ONNX."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from engine.storage.store import Store
from engine.zoo.build import construct
from tests.support.browser import (
    PATIENCE,
    SECOND,
    button_of,
    choose,
    fill,
    fill_in_popover,
    only,
    press,
    settle,
    visit,
)


@pytest.mark.timeout(900)
def test_the_workflow_from_a_click_to_a_downloaded_network(
    results: Store, address: str, page: Page, tmp_path: Path
) -> None:
    _see_what_is_decided_before_the_press(page, address, tmp_path)
    visit(page, f"{address}/launch")
    only(page, "Orders", "channels", "layers → channels")
    _keep_only_the_first_target(page)
    fill_in_popover(page, "Training", "Epochs before pruning", "1")
    fill_in_popover(page, "Fewer images", "Use only the first", "300")
    expect(page.get_by_text("parameters").first).to_be_visible()
    _type_and_press_at_once(page, "Epochs", "1", "Prune")

    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    expect(page.get_by_text(re.compile("1 running"))).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text(re.compile("1 done"))).to_be_visible(timeout=300 * SECOND)
    (finished,) = [run for run in results.runs() if not run["gallery"]]
    assert finished["state"] == "done" and finished["points"] == 3
    spec = results.run(finished["run_id"]).spec()
    assert (spec.train.epochs, spec.data.limit, spec.recover.epochs) == (1, 300, 1)

    visit(page, f"{address}/runs?run={finished['run_id']}")
    expect(page.get_by_text(re.compile("val split: 10% of train"))).to_be_visible()
    _cancel_one(page, address, results)
    _click_a_point_and_download(page, address, results, finished["run_id"], tmp_path)


def _see_what_is_decided_before_the_press(page: Page, address: str, folder: Path) -> None:
    """A checkpoint of ten classes for data of three: its head is new, and asks for epochs."""
    torch.save(construct("resnet20", 10).state_dict(), folder / "ten.pth")
    images, labels = np.zeros((30, 16, 16), np.uint8), np.arange(30) % 3
    arrays = {
        f"{split}_{name}": a for split in ("train", "test") for name, a in (("images", images), ("labels", labels))
    }
    np.savez(folder / "three.npz", **arrays)
    visit(page, f"{address}/launch")
    page.get_by_role("radio", name="My file").click()
    choose(page, "Images", "an npz file…")
    fill(page, "Weights file", str(folder / "ten.pth"))
    fill(page, "Path", str(folder / "three.npz"))
    expect(page.get_by_text("head replaced: 10 → 3 classes")).to_be_visible()
    expect(button_of(page, "Prune")).to_be_disabled()
    press(page, "Train 5 epochs before pruning")
    expect(page.get_by_text("the head is new: 5 epochs before pruning")).to_be_visible()
    expect(button_of(page, "Prune")).to_be_enabled()


def _cancel_one(page: Page, address: str, results: Store) -> None:
    visit(page, f"{address}/launch")
    press(page, "Prune")
    expect(page.get_by_text(re.compile("resnet20 on clutter")).first).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile("1 cancelled"))).to_be_visible()
    assert sorted(run["state"] for run in results.runs() if not run["gallery"]) == ["cancelled", "done"]


def _click_a_point_and_download(page: Page, address: str, results: Store, run_id: str, folder: Path) -> None:
    visit(page, address)
    _pick_own_experiment(page)
    expect(page.get_by_role("figure", name=re.compile("for 2 models"))).to_be_visible()
    _click_until_selected(page)
    link = page.url
    with page.expect_download() as download:
        page.get_by_role("button", name="ONNX").click()
    number = re.search(r"point=[^&]*\.(\d+)", link)
    assert number is not None
    copy = folder / "saved.onnx"
    download.value.save_as(copy)
    assert copy.read_bytes() == (results.run(run_id).path / "models" / f"p{number[1]}.onnx").read_bytes()

    top1 = page.get_by_test_id("stMetricValue").first.inner_text()
    visit(page, link)
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(top1)


def _click_until_selected(page: Page) -> None:
    """Clicks the second point; the chart may be drawn anew between looking where it is and clicking."""
    deadline = time.monotonic() + PATIENCE / SECOND
    while "point=" not in page.url:
        assert time.monotonic() < deadline, "no click on a point was taken"
        box = page.locator("path.point").nth(1).bounding_box()
        if box is not None:
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(SECOND)


def _pick_own_experiment(page: Page) -> None:
    settle(page)
    page.get_by_test_id("stPopoverButton").filter(has_text="Filters").click()
    page.get_by_role("combobox", name=re.compile("Experiment")).click()
    page.get_by_role("option", name=re.compile("resnet20 bn_scale")).first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")  # the list, and then the popover
    settle(page)
    page.get_by_role("heading", name=re.compile("What does it cost")).scroll_into_view_if_needed()


def _type_and_press_at_once(page: Page, label: str, value: str, button: str) -> None:
    """As people do: without a look whether the page has taken the value."""
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    button_of(page, button).click()


def _keep_only_the_first_target(page: Page) -> None:
    settle(page)
    page.get_by_role("combobox", name=re.compile("Keep")).click()
    for _ in range(2):
        page.keyboard.press("Backspace")
    page.keyboard.press("Escape")
    expect(page.get_by_text("0.40×")).to_have_count(0)
    settle(page)
