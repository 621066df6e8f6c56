"""What percentiles of latencies need; the numbers are MLPerf's."""

from __future__ import annotations

from collections.abc import Sequence

MIN_N_P90 = 64
MIN_N_P99 = 662


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float | None, float | None]:
    """p50, p90 and p99 of at least one sample; None where there are too few to say (64 for a p90, 662 for a p99)."""
    import numpy as np

    n = len(milliseconds)
    p50, p90, p99 = (round(float(p), 4) for p in np.percentile(milliseconds, (50, 90, 99)))
    return p50, p90 if n >= MIN_N_P90 else None, p99 if n >= MIN_N_P99 else None
