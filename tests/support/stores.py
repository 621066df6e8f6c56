"""Runs of a store as tests of it ask for them: by their seed, and with three points. Test-only."""

from typing import Any

from engine.spec import run as specs
from engine.storage.folders.run import Run
from engine.storage.records.point import Point
from engine.storage.store import Store
from tests.support import runs


def make(seed: int = 0, **changes: Any) -> specs.RunSpec:
    return specs.parse({"seed": seed, **changes})


def point(number: int, top1: float) -> Point:
    """The baseline, a point on the way, and from the second on those that end a target."""
    stage = "baseline" if number == 0 else "recovered"
    return runs.point(number, stage, 0.5, top1, phase="channels", final=number > 1, macs=100 - number)


def filled(store: Store, seed: int = 0, **changes: Any) -> Run:
    run = store.create(make(seed, **changes))
    for number, top1 in enumerate((0.9, 0.88, 0.85)):
        run.append_point(point(number, top1))
    return run
