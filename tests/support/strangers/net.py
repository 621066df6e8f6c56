"""What strangers' networks have in common: a stem, a head, and something in between."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

IMAGE, CLASSES, WIDTH = (3, 8, 8), 3, 8


class Net(nn.Module):
    """A stem, what each kind does in between, and a head on the mean over positions."""

    width_out = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.build()
        self.head = nn.Linear(self.width_out, CLASSES)

    def build(self) -> None:
        self.mix = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(F.relu(self.stem(x))).mean((2, 3)))

    def body(self, x: Tensor) -> Tensor:
        return self.mix(x)


def after(*modules: Callable[[], nn.Module], width: int = WIDTH) -> type[Net]:
    """A network of modules in a row behind the stem, and a convolution between them and the head."""

    class Row(Net):
        def build(self) -> None:
            self.row = nn.Sequential(*(make() for make in modules))
            self.last = nn.Conv2d(width, WIDTH, 1)

        def body(self, x: Tensor) -> Tensor:
            return self.last(self.row(x))

    return Row


def doing(operation: Callable[[Tensor], Tensor]) -> type[Net]:
    """A network that does something between two convolutions."""

    class Doing(Net):
        def body(self, x: Tensor) -> Tensor:
            return self.mix(operation(x))

    return Doing
