"""Criteria that look at the loss's gradient on calibration images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.criteria.calibration import Calibration, Scores, zeros
from engine.criteria.declare import criterion

if TYPE_CHECKING:
    from torch import Tensor

OBD_SAMPLES = 128


@criterion("taylor", label="Taylor", formula="(Σ w·∂L/∂w)²", source="Molchanov et al. 2019", needs="gradients")
def taylor(calibration: Calibration) -> Scores:
    """(Σ_{w∈W_c} w·∂L/∂w)², averaged over calibration batches (Molchanov et al. 2019, eq. 8)."""
    total, batches = zeros(calibration), 0
    for images, labels in calibration.batches():
        for name, weight, gradient in _gradients(calibration, images, labels):
            total[name] += (weight * gradient).sum(1).double().square().cpu().numpy()
        batches += 1
    return {name: scores / batches for name, scores in total.items()}


@criterion(
    "obd",
    label="Optimal brain damage",
    formula="½ Σ w²·E[(∂L/∂w)²]",
    source="LeCun et al. 1990",
    needs="gradients",
)
def obd(calibration: Calibration) -> Scores:
    """½ Σ w²·E[(∂L/∂w)²], the expectation over single samples (LeCun et al. 1990, with the empirical Fisher)."""
    total, samples = zeros(calibration), 0
    for images, labels in _single_samples(calibration, OBD_SAMPLES):
        for name, weight, gradient in _gradients(calibration, images, labels):
            total[name] += 0.5 * (weight * gradient).double().square().sum(1).cpu().numpy()
        samples += 1
    return {name: scores / samples for name, scores in total.items()}


def _single_samples(calibration: Calibration, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    remaining = count
    for images, labels in calibration.batches():
        for i in range(min(remaining, len(labels))):
            yield images[i : i + 1], labels[i : i + 1]
        remaining -= len(labels)
        if remaining <= 0:
            return


def _gradients(calibration: Calibration, images: Tensor, labels: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(layer, weight, ∂loss/∂weight) for every layer, as output channels × the rest.

    The parameters' own `.grad` stays as it is.
    """
    import torch
    import torch.nn.functional as F

    weights: dict[str, Tensor] = {n: calibration.module.get_submodule(n).weight for n in calibration.trace.layers}  # type: ignore[misc]
    with torch.enable_grad():
        loss = F.cross_entropy(calibration.module(images), labels)
        gradients = torch.autograd.grad(loss, list(weights.values()))
    for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
        layer = calibration.trace.layers[name]
        yield name, layer.filters(weight.detach()), layer.filters(gradient)
