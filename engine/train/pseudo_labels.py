"""Pseudo-labels: the images of a domain that a network names with confidence, as if that were their labels."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.data.load import Data, Split
from engine.data.loader import batches
from engine.train.evaluate import preserve_modes

NOBODY = -1  # the label of an image that is not named


@dataclass(frozen=True)
class Rules:
    """Which images are named: those with at least `confidence`; with `balance` of no class more than the mean of all.

    `refresh` is after how many epochs, or steps of an iterative method, they are named anew.
    """

    confidence: float
    balance: bool
    refresh: int

    @property
    def settings(self) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        return asdict(self)


def name_confidently(module: nn.Module, images: Split, data: Data, device: str | torch.device, rules: Rules) -> Tensor:
    """A label for each image of a split, int64 on the CPU, NOBODY where the network is not certain enough.

    The network ends on `device`, in the modes that it had. No label of the split is read.
    """
    module.to(device)
    found: list[tuple[Tensor, Tensor]] = []
    with preserve_modes(module), torch.no_grad():
        module.eval()
        for pixels, _ in batches(images, data, 128, device):
            logits = module(pixels.contiguous(memory_format=torch.channels_last)).float()
            confidence, label = logits.softmax(1).max(1)
            found.append((confidence.cpu(), label.cpu()))
    confidence, label = (torch.cat(values) for values in zip(*found, strict=True))
    named = torch.where(confidence >= rules.confidence, label, NOBODY)
    return balance(named, confidence, len(data.classes)) if rules.balance else named


def balance(labels: Tensor, confidence: Tensor, classes: int) -> Tensor:
    """The labels without the least confident ones of classes that have more than the mean of all `classes`."""
    most = math.ceil(int((labels != NOBODY).sum()) / classes)
    kept = torch.full_like(labels, NOBODY)
    for name in range(classes):
        places = torch.nonzero(labels == name).squeeze(1)
        best = places[torch.argsort(confidence[places], descending=True, stable=True)[:most]]
        kept[best] = name
    return kept
