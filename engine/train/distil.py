"""Distillation: a larger network's outputs teach a smaller one more than the labels do (Hinton et al. 2015)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.train.evaluate import preserve_modes


@dataclass(frozen=True)
class Teacher:
    """A network whose outputs teach, at a `temperature` > 0, for a share 0 < `weight` ≤ 1 of the loss.

    The network lies on the device of the images and stays as it is: weights, statistics, modes and gradient flags.
    """

    module: nn.Module
    temperature: float
    weight: float

    @property
    def settings(self) -> dict[str, float]:
        """What a checkpoint must agree with."""
        return {"temperature": self.temperature, "weight": self.weight}

    def logits(self, images: Tensor) -> Tensor:
        """N×classes in evaluation mode, without gradients, in the precision of the surrounding autocast."""
        with preserve_modes(self.module), torch.no_grad():
            self.module.eval()
            logits: Tensor = self.module(images)
        return logits

    def loss(self, student_logits: Tensor, images: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """(1 − w)·CE(labels) + w·T²·KL(teacher ‖ student) at temperature T, in nats, the mean over the batch.

        T² keeps the soft part's gradient as large as the labels' whatever the temperature (section 2.1).
        """
        hard = F.cross_entropy(student_logits, labels, label_smoothing=label_smoothing)
        return self.mixed(hard, student_logits, images)

    def mixed(self, hard: Tensor, student_logits: Tensor, images: Tensor) -> Tensor:
        """The same with the loss that labels give, in nats, known."""
        soft = divergence(student_logits, self.logits(images), self.temperature).mean()
        return (1 - self.weight) * hard + self.weight * self.temperature**2 * soft


def divergence(logits: Tensor, reference: Tensor, temperature: float) -> Tensor:
    """KL(reference ‖ logits) of each image in nats, both N×classes divided by `temperature` first: shape N.

    In float32, or in float64 where either is. Gradients flow where the arguments have them.
    """
    precise = torch.promote_types(torch.promote_types(logits.dtype, reference.dtype), torch.float32)
    learned, taught = (F.log_softmax(x.to(precise) / temperature, dim=1) for x in (logits, reference))
    return F.kl_div(learned, taught, reduction="none", log_target=True).sum(dim=1)
