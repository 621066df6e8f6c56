"""Which folders are read for the index."""

import pytest

from engine.storage.indexing import filling
from engine.storage.indexing.places import Place
from engine.storage.indexing.rows import Row


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the jobs whose folders are read from now on, in that order."""
    ids: list[str] = []
    row = filling.index_row

    def noted(job_id: str, place: Place) -> Row:
        ids.append(job_id)
        return row(job_id, place)

    monkeypatch.setattr(filling, "index_row", noted)
    return ids
