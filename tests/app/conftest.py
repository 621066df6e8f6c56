from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import streamlit as st

from app.tables import loading, speeds
from app.tables import store as tables
from engine.jobs import worker
from engine.storage.store import Store
from tests.support.screen import small_summary


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty results folder that the pages read, with a gallery folder of its own (empty, too)."""
    monkeypatch.setenv("ESPALIER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(tables, "Store", partial(Store, gallery=tmp_path / "gallery"))
    monkeypatch.setattr(speeds, "look", lambda *_, **__: speeds.Look(None))  # a process with torch would measure
    st.cache_data.clear()
    return tables.open_store()


@pytest.fixture
def submitted(results: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Store]]:
    """A launch page with a model summary, and no worker; the stores for which one was to be started."""
    stores: list[Store] = []
    monkeypatch.setattr(tables, "summary", lambda *_: small_summary())
    monkeypatch.setattr(loading, "load", lambda _: loading.Loaded(small_summary(), (), new_head=False))
    monkeypatch.setattr(worker, "start_detached", lambda store: stores.append(store) or True)
    yield stores
