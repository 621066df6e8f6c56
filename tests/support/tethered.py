"""A stand-in for a run's process on a node: `python -m tests.support.tethered PIPELINE RESULTS RUN_ID`."""

import sys

from engine.jobs import child
from engine.jobs.executors.ray import tether
from tests.support import standin

PACKAGES = ("engine", "tests/support")  # what a node needs for it


def command(kind: str) -> tuple[str, ...]:
    return "tests.support.tethered", kind


if __name__ == "__main__":
    tether.tie(grace=2.0)
    sys.exit(child.main(sys.argv[2:], standin.PIPELINES[sys.argv[1]]))
