"""A home with a ~/.ssh of its own for each test, and no file of the system's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.boards.ssh_config import lookup


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    (path / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.setattr(lookup, "SYSTEM_FILE", tmp_path / "none")
    return path


@pytest.fixture
def write(home: Path) -> Callable[[str], Path]:
    """Writes the ~/.ssh/config."""

    def write(text: str) -> Path:
        (home / ".ssh" / "config").write_text(text)
        return home / ".ssh" / "config"

    return write
