"""A residual network so small that a landscape of it takes seconds, requests for it, and made-up figures. Test-only."""

import math
from itertools import product
from pathlib import Path
from typing import Any

from engine.spec.landscape.request import LandscapeRequest, parse
from engine.storage.landscapes.grid import Accuracy, Cell, Grid, LatencySource, Shares, Untouched
from engine.storage.landscapes.job import Landscape
from engine.storage.records.point import Reached
from engine.storage.store import Store
from engine.zoo.own import listing

BASE_MACS, IMAGES = 1_000_003, 200  # of figures that are made up
UNTOUCHED = {"conv1": (16, 16), "layer1.0.conv1": (16, 16), "fc1": (32, 32)}
CODE = """
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))

    def forward(self, x):
        return (x + self.two(self.one(x))).relu()


def build(classes):
    stem = (nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
    blocks = (Block(), Block(), Block())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
"""


def small_network(folder: Path) -> str:
    """The name of the network as a request has it, its file written and listed."""
    file = folder / "small.py"
    file.write_text(CODE)
    return listing.enter(f"{file}:build")


def small_request(model: str, **changes: Any) -> LandscapeRequest:
    """A 3 × 3 grid on some of the digits, after two epochs; `spec` holds changes of the run's part."""
    spec = {
        "model": model,
        "data": {"name": "digits", "limit": 160},
        "train": {"epochs": 2, "batch_size": 32},
        "criterion": "l1",
        **changes.pop("spec", {}),
    }
    return parse({"grid": 3, "least": 0.25, **changes, "spec": spec})


def measured(results: Path, request: LandscapeRequest) -> Landscape:
    """A landscape that is done."""
    from engine.jobs.child import execute
    from engine.pipeline.landscape import run as pipeline

    folder = Store(results, gallery=results / "none").create_landscape(request, foreground=True)
    assert execute(folder, pipeline.run) == "done", folder.log_tail()
    return folder


def figures(request: LandscapeRequest, *, tilt: float = 0.0, timed: bool = False) -> Grid:
    """Figures made up for a request: blocks are eighths of the depth, and depth costs less accuracy than width.

    `tilt` makes narrow networks better by so much; the smallest network cannot be made.
    """
    smallest = request.shares()[-1]
    cells = []
    for depth, width in product(request.shares(), request.shares()):
        asked = Shares(depth=depth, width=width)
        if (depth, width) == (smallest, smallest):
            cells.append(Cell(asked=asked, why="at least 0.3× of the MACs remains"))
            continue
        kept = Shares(depth=math.floor(8 * depth) / 8, width=width)
        macs = math.floor(kept.depth * kept.width * BASE_MACS)
        right = 0.95 - 0.1 * (1 - depth) - (0.3 - tilt) * (1 - width)
        share = macs / BASE_MACS
        removed = tuple(f"layer1.{number}" for number in range(8 - round(8 * kept.depth)))
        cells.append(
            Cell(
                asked=asked,
                kept=kept,
                blocks_removed=removed,
                widths=UNTOUCHED | {"layer1.0.conv1": (16, 0 if removed else 16), "fc1": (32, round(32 * width))},
                macs=macs,
                params=macs // 100,
                got=Reached(macs=share, params=share, latency=share if timed else None),
                predicted_ms=4 * share if timed else None,
                plain=Accuracy.of(round(100 * right), IMAGES),
                reconstructed=Accuracy.of(round(IMAGES * right), IMAGES),
                seconds=2.0,
            )
        )
    source = LatencySource(where="host", tool="onnxruntime", provider="CPUExecutionProvider", threads=1, batch=1)
    return Grid(
        request=request.model_dump(mode="json"),
        conditions={"seed": 0},
        notes=("the test split was not looked at",),
        metric=request.spec.target.metric,
        depths=request.shares(),
        widths=request.shares(),
        split="val",
        images=IMAGES,
        calibration_images=512,
        latency=source if timed else None,
        untouched=Untouched(
            accuracy=Accuracy.of(190, IMAGES),
            macs=BASE_MACS,
            params=BASE_MACS // 100,
            predicted_ms=4.0 if timed else None,
            widths=UNTOUCHED,
        ),
        cells=tuple(cells),
    )


def stored(store: Store, grid: Grid, *, done: bool = True) -> Landscape:
    """A landscape with these figures, which is done or has only begun."""
    job = store.create_landscape(parse(grid.request))
    job.write_grid(grid)
    if done:
        job.update(state="done", progress=1.0, message="done", times={"started": 1000.0, "finished": 1090.0})
    return job
