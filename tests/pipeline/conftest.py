"""Runs of the whole pipeline, which need not wait for a second's worth of queries at every point."""

import functools
from collections.abc import Iterator

import pytest

from engine.latency import host_timing


@pytest.fixture(autouse=True, scope="package")
def short_timing() -> Iterator[None]:
    """Latencies from as many queries as ever, 200, but of no more than these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_timing, "time_onnx", functools.partial(host_timing.time_onnx, seconds=0.0))
        yield
