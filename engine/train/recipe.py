"""How a network is trained: the optimizer, its rate from epoch to epoch, and what decays."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.optim.sgd import sgd as sgd_step

from engine.measure.uncompiled import uncompiled

_DECAYED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum. `step` divides the rate by 10 after 1/2 and after 3/4 of the epochs.

    `weight_decay` acts on the weights of convolutions and linear layers only, never on norms and biases.
    """

    epochs: int
    lr: float
    batch_size: int = 128
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "step"] = "cosine"
    label_smoothing: float = 0.0
    momentum: float = 0.9

    @property
    def warmup_epochs(self) -> int:
        """A linear warm-up of one epoch, when there are five or more."""
        return 1 if self.epochs >= 5 else 0

    def lr_at(self, epoch: float) -> float:
        """The learning rate at a moment counted in epochs, 0 ≤ `epoch` ≤ `epochs`, fractions of epochs included."""
        if epoch < self.warmup_epochs:
            return self.lr * epoch / self.warmup_epochs
        done = (epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
        if self.schedule == "step":
            return self.lr * (0.01 if done >= 0.75 else 0.1 if done >= 0.5 else 1.0)
        return self.lr * 0.5 * (1 + math.cos(math.pi * done))


class Sgd(torch.optim.SGD):
    """Torch's SGD, fused, with the same state; `step` does without torch's compiler, which the one of torch imports."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step along the gradients that there are."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            buffers = [self.state[p].get("momentum_buffer") for p in moved] if group["momentum"] else []
            settings = {name: group[name] for name in ("weight_decay", "momentum", "lr", "dampening", "nesterov")}
            sgd_step(moved, [p.grad for p in moved], buffers, fused=True, maximize=group["maximize"], **settings)
            for p, buffer in zip(moved, buffers, strict=False):  # no buffers where there is no momentum
                self.state[p]["momentum_buffer"] = buffer


def sgd(module: nn.Module, recipe: Recipe) -> Sgd:
    """The optimizer of a recipe: weight decay on convolution and linear weights, none on the rest."""
    decayed = {id(m.weight) for m in module.modules() if isinstance(m, _DECAYED)}
    trainable = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if id(p) in decayed], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if id(p) not in decayed], "weight_decay": 0.0},
    ]
    with uncompiled(torch.optim.Optimizer):
        return Sgd(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)
