"""A network and a dataset so small that training takes milliseconds."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.data.load import Data, Split
from engine.train.fit import EpochResult


def network(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(64, 4),
    )


def data(train: int = 100, val: int = 40) -> Data:
    """Four classes: which quarter of the image is bright."""
    return Data(
        name="tiny",
        train=split(train, seed=1),
        val=split(val, seed=2),
        test=split(val, seed=3),
        classes=("a", "b", "c", "d"),
        image=(3, 16, 16),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        flip=False,
        crop=1,
        notes=(),
    )


def split(n: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    images = torch.randint(0, 100, (n, 3, 16, 16), generator=generator, dtype=torch.uint8)
    for i, label in enumerate(labels.tolist()):
        top, left = 8 * (label // 2), 8 * (label % 2)
        images[i, :, top : top + 8, left : left + 8] += 100 + 10 * label
    return Split(images=images, labels=labels)


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def ignore(result: EpochResult) -> None:
    """An `on_epoch` for tests that look at the weights only."""


class Stopped(Exception):
    """What a training is stopped by."""


def stop_at(epoch: int) -> Callable[[EpochResult], None]:
    """An `on_epoch` that stops the training before this epoch's checkpoint is written."""

    def on_epoch(result: EpochResult) -> None:
        if result.epoch == epoch:
            raise Stopped

    return on_epoch
