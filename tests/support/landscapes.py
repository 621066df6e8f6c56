"""A residual network so small that a landscape of it takes seconds, and requests for it. Test-only."""

from pathlib import Path
from typing import Any

from engine.spec.landscape.request import LandscapeRequest, parse
from engine.storage.landscapes.job import Landscape
from engine.storage.store import Store
from engine.zoo.own import listing

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
