"""A dashboard of its own over an empty results folder, and a real Chromium to look at it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmarks.browser import serving
from benchmarks.browser.serving import Dashboard
from engine.jobs.worker import worker_of
from engine.storage.store import Store
from tests.support.browser import PATIENCE


@pytest.fixture(autouse=True)
def chromium() -> str:
    """The browser's path."""
    if not Path(serving.CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian: chromium)")
    return serving.CHROMIUM


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Store]:
    """An empty results folder; whoever still works on it at the end is stopped."""
    store = Store(tmp_path / "results")
    yield store
    worker = worker_of(store)
    if worker is not None:
        worker.signal(15)
        deadline = time.monotonic() + 90
        while worker.alive() and time.monotonic() < deadline:
            time.sleep(0.1)


@pytest.fixture
def served(results: Store, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard of its own, served by the command of `make app`."""
    with serving.dashboard(results.root, tmp_path / "server.log") as dashboard:
        yield dashboard


@pytest.fixture
def address(served: Dashboard) -> str:
    return served.address


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with serving.chromium() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        opened.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield opened
