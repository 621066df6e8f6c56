"""A runtime folder for a test's sockets, and an end to the processes that listen there. Test-only."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def runtime_folder(patch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]) -> Iterator[Path]:
    """A folder of sockets of its own, in which no process is left behind; tmp_path is too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="esp-") as folder:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
        for process in started:
            process.kill()
            process.wait(30)
        started.clear()
