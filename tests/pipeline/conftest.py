"""Runs of the whole pipeline, which need not wait for a second's worth of queries at every point."""

from collections.abc import Iterator

import pytest

from tests.support.timing import short_timing


@pytest.fixture(autouse=True, scope="package")
def hardly_timed() -> Iterator[None]:
    """Latencies are measured in no time."""
    with short_timing():
        yield
