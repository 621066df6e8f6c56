"""A network that nobody trained, and a results folder."""

from pathlib import Path

import pytest
from safetensors.torch import save_file

from engine.storage.store import Store
from engine.zoo.build import build


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("weights") / "resnet20.safetensors"
    save_file(build("resnet20", 10, (3, 16, 16), "none", 3).module.state_dict(), file)
    return str(file)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", gallery=tmp_path / "none")
