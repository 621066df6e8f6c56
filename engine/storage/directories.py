"""Where things live on this machine. No torch."""

import os
from pathlib import Path


def cache() -> Path:
    """The folder for downloads: $ESPALIER_CACHE, or ~/.cache/espalier. It may not exist yet."""
    return Path(os.environ.get("ESPALIER_CACHE") or "~/.cache/espalier").expanduser()


def results() -> Path:
    """The folder of the runs: $ESPALIER_RESULTS, or ./results. It may not exist yet."""
    return Path(os.environ.get("ESPALIER_RESULTS") or "results").expanduser()
