"""Runs of the whole pipeline, which need not wait for a second's worth of queries at every point."""

import functools
from collections.abc import Iterator

import pytest

from engine.measure import latency


@pytest.fixture(autouse=True, scope="package")
def short_timing() -> Iterator[None]:
    """Latencies from as many queries as ever, 200, but of no more than these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "time_onnx", functools.partial(latency.time_onnx, seconds=0.0))
        yield
