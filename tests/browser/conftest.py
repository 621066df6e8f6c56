"""A dashboard of its own over an empty results folder, and a real Chromium to look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from engine.jobs.worker import worker_of
from engine.storage.store import Store
from tests.support.browser import PATIENCE
from tests.support.places import ROOT

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(autouse=True)
def chromium() -> str:
    """The browser's path."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian: chromium)")
    return CHROMIUM


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
def address(results: Store, tmp_path: Path) -> Iterator[str]:
    """The address of a dashboard of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)]
    environment = {**os.environ, "ESPALIER_RESULTS": str(results.root)}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(90)


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        opened.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield opened
        browser.close()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=20):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the dashboard did not start; see server.log")
