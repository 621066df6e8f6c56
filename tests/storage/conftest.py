"""A results folder, and a gallery, which are not there yet."""

from pathlib import Path

import pytest

from engine.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", gallery=tmp_path / "gallery")
