"""A dashboard of its own over a results folder, and a Chromium to look at it."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
_PATIENCE = 180  # s
# A page's first script. Playwright has Chromium note where each Error was made; for the one that Plotly makes as it is
# loaded its code is parsed four times more, as no browser does that nobody looks into.
AS_UNWATCHED = "delete Error.stackTraceLimit"


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that is served: where, over which results folder, by which process, since which monotonic second."""

    address: str
    results: Path
    pid: int
    began: float

    def cpu_seconds(self) -> float:
        """What its process has used of the processor."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def dashboard(results: Path, log: Path, program: Path = ROOT) -> Iterator[Dashboard]:
    """What `make app` serves, over this results folder; it ends with the block, and what it prints goes to `log`.

    `program` may be another checkout.
    """
    port = _free_port()
    command = (sys.executable, "-m", "engine", "app", "--port", str(port), "--results", str(results))
    began = time.monotonic()
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=program, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, log)
        yield Dashboard(f"http://127.0.0.1:{port}", results, server.pid, began)
    finally:
        server.terminate()
        server.wait(90)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield browser
        browser.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=20):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the dashboard did not start; {log} has what it said")
