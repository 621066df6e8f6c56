"""How good a network is on a split, and its batch norms' statistics measured anew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from engine.data.load import Data, Split
from engine.data.loader import batches as split_batches
from engine.errors import WorkError


@dataclass(frozen=True)
class Evaluation:
    """Counts over one split; `top5` counts the labels among the five largest logits (all, where classes are fewer).

    `loss` is the mean cross-entropy in nats, `predictions` the class of each image, in their order: int64 N on the CPU.
    """

    correct: int
    total: int
    top5: int
    loss: float
    predictions: Tensor = field(compare=False, repr=False)

    @property
    def top1(self) -> float:
        return self.correct / self.total

    @property
    def top5_share(self) -> float:
        return self.top5 / self.total


def evaluate(
    module: nn.Module, split: Split, data: Data, device: str | torch.device, batch_size: int = 128
) -> Evaluation:
    """One pass over `split` in evaluation mode, in float32; leaves each module's mode as it was.

    Raises WorkError when the split is empty or the network's outputs are not finite.
    """
    module.to(device)
    with preserve_modes(module), torch.no_grad():
        module.eval()
        return tally(
            lambda images: module(images.contiguous(memory_format=torch.channels_last)).float(),
            split,
            data,
            device,
            batch_size,
        )


def hits(module: nn.Module, split: Split, data: Data, device: str | torch.device, batch_size: int = 128) -> Tensor:
    """Which images of `split` a network has right, in their order: a boolean for each, on the CPU.

    As `evaluate` counts them, and with its errors.
    """
    return evaluate(module, split, data, device, batch_size).predictions == split.labels


def tally(
    logits_of: Callable[[Tensor], Tensor], split: Split, data: Data, device: str | torch.device, batch_size: int = 128
) -> Evaluation:
    """What logits come to over `split`: `logits_of` takes normalised images on `device`, gives float32 N×classes there.

    Raises WorkError when the split is empty or the logits are not finite.
    """
    correct = top5 = torch.zeros((), dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    predictions: list[Tensor] = []
    total = 0
    for images, labels in split_batches(split, data, batch_size, device):
        logits = logits_of(images)
        predictions.append(logits.argmax(dim=1))
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices
        top5 = top5 + (best == labels[:, None]).sum()
        correct = correct + (predictions[-1] == labels).sum()
        loss = loss + F.cross_entropy(logits, labels, reduction="sum").double()
        total += len(labels)
    if not total:
        raise WorkError(f"there is nothing to evaluate on: this split of {data.name} has no images")
    if not torch.isfinite(loss):
        raise WorkError(
            "the network's outputs are not finite numbers, so its accuracy cannot be measured; after training, a "
            "learning rate at which it diverged is the likely cause (--train-lr before pruning, --recover-lr after)"
        )
    mean_loss = float(loss) / total
    return Evaluation(int(correct), total, int(top5), mean_loss, torch.cat(predictions).cpu())


def reestimate_bn(
    module: nn.Module,
    split: Split,
    data: Data,
    device: str | torch.device,
    *,
    batches: int = 20,
    batch_size: int = 128,
) -> None:
    """Replaces the running mean and variance of every batch norm by their averages over `batches` batches of `split`.

    The batches are the first of a fixed shuffle, without augmentation. Everything but the batch norms stays in
    evaluation mode meanwhile (no dropout); modes and momenta are left as they were. Raises WorkError when the split
    has no batch to measure on.
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not norms:
        return
    if len(split) < 2 or batches < 1:
        raise WorkError("batch norm statistics need at least one batch of two images")
    momenta = [norm.momentum for norm in norms]
    module.to(device)
    with preserve_modes(module), torch.no_grad():
        module.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative average: every batch counts the same
            norm.train()
        try:
            for done, (images, _) in enumerate(split_batches(split, data, batch_size, device, seed=0), start=1):
                module(images.contiguous(memory_format=torch.channels_last))
                if done == batches:
                    break
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


@contextmanager
def preserve_modes(module: nn.Module) -> Iterator[None]:
    """Gives every submodule its own train/eval mode back at the end."""
    modes = [(m, m.training) for m in module.modules()]
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training
