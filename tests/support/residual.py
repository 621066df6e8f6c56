"""A residual network for whole runs, which take as long as they have layers: five blocks, of which four may go.

`python -m tests.support.residual` is `espalier` with it in the catalogue, and with latencies measured in no time.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from engine.cli.main import main
from engine.spec.catalog import FAMILIES, SMALL_IMAGE
from engine.zoo.declare import MAKERS, family
from tests.support.timing import short_timing

NAME = "five_blocks"


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut, N×C×H×W to N×`width`×H/stride×W/stride."""

    def __init__(self, width_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        changes = stride > 1 or width_in != width
        convolution = nn.Conv2d(width_in, width, 1, stride, bias=False) if changes else None
        self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(width)) if convolution else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + self.shortcut(x)).relu()


class Residual(nn.Module):
    """Takes N×3×H×W and gives N×`classes` logits."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 16))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.bn1(self.conv1(x)).relu()))
        logits: Tensor = self.fc(self.pool(x).flatten(1))
        return logits


def construct(_: str, classes: int) -> nn.Module:
    return Residual(classes)


def declare() -> None:
    """Puts it into the catalogue of this process."""
    family(models=(NAME,), image=SMALL_IMAGE, classes=10)(construct)


@contextmanager
def declared() -> Iterator[None]:
    """The same, for a while: what goes through the catalogue afterwards finds what users find."""
    declare()
    try:
        yield
    finally:
        for registry in (FAMILIES, MAKERS):
            for names in (registry._entries, registry._ranks, registry._origins):
                del names[NAME]


if __name__ == "__main__":
    declare()
    with short_timing():
        sys.exit(main(sys.argv[1:]))
