"""Domain-adversarial training: features that do not tell the images of two domains apart (Ganin et al. 2016).

A discriminator learns to tell source from target by what the classifier is given; behind a layer that turns gradients
round, the network learns to leave it nothing to go by. It is trained beside the network, and never pruned with it.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.data.load import Data, Target
from engine.data.loader import batches
from engine.errors import WorkError
from engine.train.pseudo_labels import NOBODY, Rules, name_confidently

HIDDEN = 128  # units of the discriminator
_STEEPNESS = 10.0  # γ of the schedule


class Adaptation(nn.Module):
    """What goes along with a network that is carried over to a target: its discriminator, and pseudo-labels.

    The discriminator takes as many features as the untouched network had; where a pruned one has fewer, `places` says
    which of them they were, and the others read as 0. `labels` are int64, one for each of the target's training images,
    NOBODY where none is certain. `age` counts the steps since they were made.
    """

    places: Tensor
    labels: Tensor
    age: Tensor
    trained: Tensor

    def __init__(self, features: int, images: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.reading = nn.Linear(features, HIDDEN)
            self.telling = nn.Linear(HIDDEN, 1)
        self.register_buffer("places", torch.arange(features))
        self.register_buffer("labels", torch.full((images,), NOBODY))
        self.register_buffer("age", torch.zeros((), dtype=torch.int64))
        self.register_buffer("trained", torch.zeros((), dtype=torch.bool))

    def forward(self, features: Tensor) -> Tensor:
        """N logits of being from the target, of N×D features."""
        weight = self.reading.weight[:, self.places]
        logits: Tensor = self.telling(F.relu(F.linear(features, weight, self.reading.bias)))
        return logits.squeeze(1)

    def keep(self, stays: Tensor) -> "Adaptation":
        """The same for a network that has lost features: `stays` says of each, in order, whether it is still there."""
        return self._with(self.places[stays])

    @classmethod
    def of(cls, state: dict[str, Tensor]) -> "Adaptation":
        """The one whose `state_dict` was `state`."""
        adaptation = cls(state["reading.weight"].shape[1], len(state["labels"]), 0)
        adaptation.places = adaptation.places[: len(state["places"])]
        adaptation.load_state_dict(state)
        return adaptation

    def without_names(self) -> "Adaptation":
        """One whose target images have no names yet."""
        other = self.clone()
        other.labels.fill_(NOBODY)
        other.age.zero_()
        return other

    def clone(self) -> "Adaptation":
        """One that is trained without this one."""
        return self._with(self.places)

    def _with(self, places: Tensor) -> "Adaptation":
        return Adaptation.of({**{name: value.clone() for name, value in self.state_dict().items()}, "places": places})


@dataclass(frozen=True)
class Adversary:
    """How a network is trained on two domains at once: what it is shown of the target, and what tells them apart.

    `head` is the classifier's path in the network. With `adversarial` false only pseudo-labels are learned from.
    """

    adaptation: Adaptation
    target: Target
    data: Data
    head: str
    rules: Rules | None  # of pseudo-labels; None: none are learned from
    adversarial: bool
    fresh: bool  # whether the discriminator has learned nothing yet

    @property
    def settings(self) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        rules = None if self.rules is None else self.rules.settings
        return {"target": self.target.name, "adversarial": self.adversarial, "pseudo_labels": rules}

    def strength(self, progress: float) -> float:
        """λ at a progress in 0..1; a discriminator that has learned already is heeded in full at once."""
        return reversal_strength(progress if self.fresh else 1.0)

    def start_epoch(self, module: nn.Module, epoch: int, device: torch.device) -> None:
        """Make the pseudo-labels anew where that is due, by the network as it is now."""
        if self.rules is None or epoch == 0 or epoch % self.rules.refresh:
            return
        found = name_confidently(module, self.target.train, self.data, device, self.rules)
        if (found != NOBODY).any():
            self.adaptation.labels = found.to(self.adaptation.labels.device)

    def batches(self, size: int, device: torch.device, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The target's images, augmented, with their pseudo-labels, without end."""
        train = self.target.train.with_labels(self.adaptation.labels.cpu())
        for turn in count():
            yield from batches(train, self.data, size, device, augment=True, seed=(seed + turn) % 2**62)

    def domain_loss(self, features: Tensor, source: int, strength: float) -> Tensor:
        """Cross-entropy in nats of telling the first `source` rows from the others, both domains counted alike."""
        logits = self.adaptation(_Reversal.apply(features, strength)).float()  # type: ignore[no-untyped-call]
        return (F.softplus(logits[:source]).mean() + F.softplus(-logits[source:]).mean()) / 2


def reversal_strength(progress: float) -> float:
    """λ = 2/(1 + e^(−10p)) − 1 (Ganin et al. 2016, section 5.2.2)."""
    return 2 / (1 + math.exp(-_STEEPNESS * progress)) - 1


def pseudo_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the images that have a pseudo-label; 0 where none has."""
    total = F.cross_entropy(logits, labels, ignore_index=NOBODY, reduction="sum")
    return total / (labels != NOBODY).sum().clamp(min=1)


@contextmanager
def tap(module: nn.Module, head: str) -> Iterator[Callable[[], Tensor]]:
    """A function that gives what the classifier was given in the last forward pass: N×D, maps as their means.

    It raises WorkError where the pass never came to the classifier.
    """
    seen: list[Tensor] = []

    def last() -> Tensor:
        if not seen:
            raise WorkError(
                f"domain-adversarial training reads what the classifier {head} is given, and this network never calls "
                "it as a module; leave it out (--no-adversarial)"
            )
        features = seen.pop()
        return features.flatten(2).mean(2) if features.dim() > 2 else features

    handle = module.get_submodule(head).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield last
    finally:
        handle.remove()


class _Reversal(torch.autograd.Function):
    """The identity, whose gradient is turned round and multiplied by a strength (eq. 14 and 15)."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None
