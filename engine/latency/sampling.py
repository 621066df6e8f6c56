"""One query after the other, the next on completion of the last, and how long each took. No torch."""

import time
from collections.abc import Callable


def sample_queries(
    query: Callable[[], object], *, seconds: float, min_n: int, cap_seconds: float, fewest: int = 1
) -> list[float]:
    """Milliseconds of each call of `query`, until `min_n` calls and `seconds` are both reached.

    After `cap_seconds` it ends whatever is missing, with `fewest` ≥ 1 samples at least.
    """
    samples: list[float] = []
    started = before = time.perf_counter()
    while True:
        query()
        now = time.perf_counter()
        samples.append((now - before) * 1e3)
        before, spent = now, now - started
        enough = len(samples) >= min_n and spent >= seconds
        if len(samples) >= fewest and (enough or spent >= cap_seconds):
            return samples
