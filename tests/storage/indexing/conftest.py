"""Which folders are read for the index."""

from collections.abc import Mapping

import pytest

from engine.storage.indexing import filling
from engine.storage.indexing.places import Place
from engine.storage.indexing.rows import Row


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the jobs whose folders are read from now on, in that order."""
    ids: list[str] = []
    rows = filling.index_rows

    def noted(places: Mapping[str, Place]) -> list[Row]:
        ids.extend(places)
        return rows(places)

    monkeypatch.setattr(filling, "index_rows", noted)
    return ids
