from functools import partial
from pathlib import Path

import pytest
import streamlit as st

from app import data
from engine.store import Store


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty results folder that the pages read, with a gallery folder of its own (empty, too)."""
    monkeypatch.setenv("ESPALIER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(data, "Store", partial(Store, gallery=tmp_path / "gallery"))
    st.cache_data.clear()
    return data.store()
