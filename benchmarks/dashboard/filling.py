"""Synthetic runs of four points each, written through the store."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from engine.spec import run as specs
from engine.spec.catalog import CRITERIA
from engine.spec.run import RunSpec
from engine.storage.records.point import Point
from engine.storage.store import Store

# MACs and parameters.
NETWORKS = {
    "resnet20": (40_550_000, 272_474),
    "resnet56": (125_490_000, 855_770),
    "vgg16_bn": (313_000_000, 14_728_266),
}
_BASE_TOP1 = 0.93
_BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2)]
_LAYERS = ("conv1", *(f"{block}.conv{conv}" for block in _BLOCKS for conv in (1, 2)))


def fill(root: Path, count: int) -> None:
    """Adds runs to a results folder until it has `count`."""
    store = Store(root, gallery=root / "gallery")
    store.prepare()
    there = sum(1 for _ in store.folder.iterdir())
    with _nothing_to_be_lost():
        for number in range(there, count):
            write_run(store, request(number), number)


def request(number: int) -> RunSpec:
    """The request of the run of that number: five seeds of each of many."""
    draw = random.Random(number // 5)
    criteria = [name for name, each in CRITERIA.items() if each.scope == "both" and each.needs != "attempts"]
    return specs.parse(
        {
            "model": draw.choice(list(NETWORKS)),
            "data": {"name": draw.choice(["clutter", "digits", "cifar10"])},
            "criterion": draw.choice(criteria),
            "order": draw.choice(["layers-channels", "channels-layers", "layers", "channels"]),
            "target": {"keep": [round(draw.uniform(0.2, 0.9), 3)], "depth_share": draw.choice([0.25, 0.5, 0.75])},
            "recover": {"epochs": draw.choice([0, 2, 5])},
            "int8": True,
            "seed": number % 5,
        }
    )


def write_run(store: Store, spec: RunSpec, number: int) -> str:
    """Writes a run that is done; its id."""
    run = store.create(spec)
    run.write_env({"cpu": "a synthetic processor"})
    for point in points(spec, number):
        run.append_point(point)
    run.update(state="done", progress=1.0, message="done", times={"started": 1000.0, "finished": 1090.0})
    return run.id


def points(spec: RunSpec, number: int) -> Iterator[Point]:
    """A baseline, and a target's network before recovery, after it, and in 8 bit."""
    draw = random.Random(number)
    keep, loss = spec.target.keep[0], draw.uniform(0.01, 0.1)
    after = _BASE_TOP1 - loss * (1 - keep) - draw.gauss(0, 0.002)
    phase = spec.phases()[-1]
    yield _point(spec, 0, "baseline", 1.0, _BASE_TOP1 + draw.gauss(0, 0.002), "train", draw)
    yield _point(spec, 1, "pruned", keep, after - 0.2, phase, draw)
    yield _point(spec, 2, "recovered", keep, after, phase, draw)
    yield _point(spec, 3, "quantized", keep, after - 0.004, phase, draw)


def _point(spec: RunSpec, number: int, stage: str, keep: float, top1: float, phase: str, draw: random.Random) -> Point:
    macs, params = NETWORKS[spec.model]
    top1 = min(1.0, max(0.0, top1))
    p50 = macs * keep / 1e8 * draw.uniform(0.9, 1.2)
    timing = {
        "provider": "CPUExecutionProvider", "threads": 1, "batch": 1, "n": 700, "p50_ms": round(p50, 4),
        "p90_ms": round(1.1 * p50, 4), "p99_ms": round(1.3 * p50, 4),
    }  # fmt: skip
    return Point.from_json(
        {
            "point": number, "stage": stage, "phase": phase, "keep": keep, "final": stage == "recovered",
            "top1": top1, "top5": min(1.0, top1 + 0.06), "loss": 1.2 - top1, "correct": round(1000 * top1),
            "total": 1000, "val_top1": min(1.0, top1 + 0.01), "val_total": 600, "params": round(params * keep),
            "macs": round(macs * keep), "bytes": round(params * keep) * (1 if stage == "quantized" else 4),
            "asked": {"metric": "macs", "keep": keep}, "got": {"macs": keep, "params": keep},
            "blocks_removed": [] if stage == "baseline" else ["layer2.1"],
            "widths": {name: [64, max(1, round(64 * keep))] for name in _LAYERS}, "latency": [timing],
            "seconds": round(draw.uniform(1, 90), 1), "chance": 0.1, "before_recovery": stage == "pruned",
        }
    )  # fmt: skip


@contextmanager
def _nothing_to_be_lost() -> Iterator[None]:
    """Writes that need not outlive a power cut, as waiting for the disk is not what is measured."""
    with patch.object(os, "fsync", lambda _: None):
        yield
