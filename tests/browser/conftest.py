"""One dashboard and one Chromium for all tests of this room; each finds an empty results folder and a new context.

A dashboard of its own for each would measure the machine, summarize the same networks and load torch again each time.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import serving
from benchmarks.browser.serving import Dashboard
from engine.boards.registry import Registry
from engine.jobs.worker import worker_of
from engine.storage.store import Store
from tests.support.board_rig import own_home
from tests.support.browser import PATIENCE
from tests.support.dropped_in import checkout
from tests.support.places import ROOT


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser, to be closed before other tests of this process have an event loop of their own."""
    if not Path(serving.CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian: chromium)")
    with serving.chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key in the home of whoever runs the dashboard and its worker."""
    return own_home(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="package")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose default images are a tenth as many, and whose latencies are measured in no time.

    What a click starts is what the program has, and a run of it takes seconds.
    """
    made = checkout(tmp_path_factory.mktemp("program"), {})
    made.change("engine/data/clutter.py", "train: int = 6000", "train: int = 600")
    made.change("engine/data/clutter.py", "test: int = 1000", "test: int = 200")
    made.change("engine/data/clutter.py", "counts=(6000, 1000)", "counts=(600, 200)")
    made.change("engine/latency/host_timing.py", "seconds: float = 1.0", "seconds: float = 0.0")
    for folder in ("pages", ".streamlit", "results/gallery"):
        shutil.copytree(ROOT / folder, made.root / folder)
    return made.root


@pytest.fixture(scope="package")
def served(
    home: Path, program: Path, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dashboard]:
    """A dashboard over a results folder of its own, served by the command of `make app`."""
    folder = tmp_path_factory.mktemp("dashboard")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home.parents[1]))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        with serving.dashboard(folder / "results", folder / "server.log", program) as dashboard:
            patch.undo()
            yield dashboard


@pytest.fixture
def results(served: Dashboard, program: Path) -> Iterator[Store]:
    """The results folder of the dashboard, empty before and after; whoever still works on it at the end is stopped."""
    store = Store(served.results, gallery=program / "results" / "gallery")
    yield store
    worker = worker_of(store)
    if worker is not None:
        worker.signal(15)
        deadline = time.monotonic() + 90
        while worker.alive() and time.monotonic() < deadline:
            time.sleep(0.1)
    for head in list(store.heads().values()):
        if head.kind != "gallery":
            store.delete(head.job_id)
    registry = Registry(store.root)
    for board in registry.all():
        registry.remove(board.name)
    for left in (store.root / "known_hosts", *store.root.glob("measurements/*.jsonl")):
        left.unlink(missing_ok=True)


@pytest.fixture
def address(served: Dashboard) -> str:
    return served.address


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a browser that has seen nothing yet."""
    with chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce") as context:
        context.add_init_script(serving.AS_UNWATCHED)
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield opened
