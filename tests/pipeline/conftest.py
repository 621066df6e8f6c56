"""Runs of the whole pipeline, which need not wait for a second's worth of queries at every point."""

from collections.abc import Iterator

import pytest

from tests.support import residual
from tests.support.timing import short_timing


@pytest.fixture(autouse=True, scope="module")
def hardly_timed() -> Iterator[None]:
    """Latencies are measured in no time."""
    with short_timing():
        yield


@pytest.fixture(autouse=True, scope="module")
def five_blocks() -> Iterator[None]:
    """A small residual network is in the catalogue."""
    with residual.declared():
        yield
