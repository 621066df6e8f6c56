"""A board in a real browser: added, its key compared and trusted, two networks timed there and seen in Explore.

The board is a real sshd on loopback, whose sessions see the files and the trtexec of a fake TX2.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.boards.registry import Registry, parse
from engine.spec.board_timing import PointId
from engine.storage.store import Store
from tests.support.board import Board
from tests.support.board_rig import gallery_points
from tests.support.browser import SECOND, choose, press, settle, visit
from tests.support.sshd import Sshd


@pytest.fixture
def sshd(home: Path, tmp_path: Path) -> Iterator[Sshd]:
    """A board that lets in whoever has the key in the home that the dashboard and its worker live in."""
    board = Board(tmp_path / "board")
    with Sshd(tmp_path / "sshd", environment=board.environment()) as server:
        server.authorize(home.with_suffix(".pub"))
        yield server


@pytest.mark.timeout(900)
def test_a_board_is_added_trusted_and_timed_and_its_latencies_are_an_axis(
    sshd: Sshd, results: Store, address: str, page: Page
) -> None:
    larger, smaller = gallery_points()
    visit(page, f"{address}/devices")
    _add(page, sshd)
    _trust(page, sshd, results)

    visit(page, f"{address}/?point={larger}")
    page.get_by_role("link", name="Time on device").click()
    expect(page.get_by_role("heading", name="Time on a device")).to_be_visible()
    expect(page).to_have_url(re.compile(f"point={larger}"))
    visit(page, f"{address}/devices?point={larger}&point={smaller}")
    press(page, "Time")
    expect(page.get_by_text("2 models on tx2, FP32")).to_be_visible()
    expect(page.get_by_role("figure", name=re.compile("for 2 models"))).to_be_visible(timeout=300 * SECOND)
    (timing,) = results.timings()
    assert timing["state"] == "done", timing["error"]

    _see_in_explore(page, address, results, larger)


def _add(page: Page, sshd: Sshd) -> None:
    press(page, "Add a device")
    settle(page)
    page.get_by_label("Name", exact=True).fill("tx2")
    page.get_by_label("Address", exact=True).fill(sshd.target)
    page.get_by_role("button", name="Add", exact=True).click()


def _trust(page: Page, sshd: Sshd, results: Store) -> None:
    """The key is shown before it is trusted, nothing is kept of it until then, and then the board says what it is."""
    expect(page.get_by_text(sshd.fingerprint)).to_be_visible()
    assert not (results.root / "known_hosts").exists()
    press(page, "They are the same, trust it")
    expect(page.get_by_text(re.compile(r"\breachable"))).to_be_visible()
    expect(page.get_by_text(re.compile("Jetson TX2"))).to_be_visible()
    expect(page.get_by_role("row", name="Times with TensorRT 8.2.1")).to_be_visible()
    assert sshd.public_key[1] in (results.root / "known_hosts").read_text()


def _see_in_explore(page: Page, address: str, results: Store, point: PointId) -> None:
    visit(page, f"{address}/?point={point}")
    choose(page, "Cost", "Latency on tx2")
    expect(page.get_by_role("figure", name=re.compile("Top-1 against Latency on tx2 for 2 models"))).to_be_visible()
    measurements = results.run(point.run).measurements()
    p50 = next(one.p50_ms for one in measurements if one.point == point.point)
    metric = page.get_by_test_id("stMetric").filter(has_text="Latency on tx2").get_by_test_id("stMetricValue")
    assert float(metric.inner_text().removesuffix(" ms")) == pytest.approx(p50, rel=0.01)


def test_devices_are_removed_one_after_the_other(results: Store, address: str, page: Page) -> None:
    results.prepare()
    for name in ("first", "second", "third"):
        Registry(results.root).add(parse(name, f"{name}.invalid"))
    visit(page, f"{address}/devices")
    for board, remaining in (("second", 2), ("third", 1), ("first", 0)):
        settle(page)
        page.locator(f".st-key-remove-{board}").get_by_role("button").click()
        settle(page)
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.get_by_text(f"{board} removed")).to_be_visible()
        expect(page.get_by_role("button", name="Check", exact=True)).to_have_count(remaining)
    expect(page.get_by_role("button", name="Add a device")).to_have_count(1)
    expect(page.get_by_role("button", name="Add a device")).to_be_visible()
