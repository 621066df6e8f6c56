"""Criteria that look at the loss's gradient on calibration images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from engine.criteria.calibration import Calibration, Scores, norm_scales, zeros
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


@criterion(
    "feature_taylor",
    label="Feature-map Taylor",
    formula="mean |a_c·∂L/∂a_c|",
    source="Molchanov et al. 2017",
    needs="gradients",
)
def feature_taylor(calibration: Calibration) -> Scores:
    """|mean over positions of a_c·∂L/∂a_c|, averaged over single images (Molchanov et al. 2017, eq. 8).

    Maps are those after the norm and activation that directly follow the layer. What the paper divides by each layer's
    norm, as layers differ in scale, is divided by each layer's mean here wherever channels are ranked across layers.
    """
    import torch
    import torch.nn.functional as F

    from engine.graph.feature_maps import FeatureMaps

    gates: dict[str, Tensor] = {}  # N×C ones that the maps are multiplied by: their gradients are sums over positions
    positions: dict[str, int] = {}

    def through_gate(layer: str, maps: Tensor) -> Tensor:
        gates[layer] = torch.ones(maps.shape[:2], device=maps.device, dtype=maps.dtype, requires_grad=True)
        positions[layer] = maps[0, 0].numel()
        return maps * gates[layer][:, :, None, None]

    network = FeatureMaps(calibration.trace, through_gate)
    total, count = zeros(calibration), 0
    for images, labels in calibration.batches():
        with torch.enable_grad():
            loss = F.cross_entropy(network.run(images), labels, reduction="sum")
            gradients = torch.autograd.grad(loss, list(gates.values()))
        for name, gradient in zip(gates, gradients, strict=True):
            total[name] += gradient.abs().sum(0).double().cpu().numpy() / positions[name]
        count += len(images)
    return {name: scores / count for name, scores in total.items()}


@criterion(
    "gate_taylor",
    label="Gate Taylor",
    formula="(γ_c·∂L/∂γ_c)²",
    source="Molchanov et al. 2019",
    needs="gradients",
    batch_norm=True,
)
def gate_taylor(calibration: Calibration) -> Scores:
    """(γ_c·∂L/∂γ_c)² of the batch norm that directly follows, averaged over calibration batches.

    The scale is the gate of Molchanov et al. 2019, eq. 8; layers without a batch norm have no score.
    """
    scales = norm_scales(calibration, "gate_taylor")
    total, batches = zeros(calibration), 0
    for images, labels in calibration.batches():
        for name, gradient in zip(scales, _loss_gradients(calibration, images, labels, scales), strict=True):
            total[name] += (scales[name].detach() * gradient).double().square().cpu().numpy()
        batches += 1
    return {name: total[name] / batches for name in scales}


def _single_samples(calibration: Calibration, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    remaining = count
    for images, labels in calibration.batches():
        for i in range(min(remaining, len(labels))):
            yield images[i : i + 1], labels[i : i + 1]
        remaining -= len(labels)
        if remaining <= 0:
            return


def _gradients(calibration: Calibration, images: Tensor, labels: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(layer, weight, ∂loss/∂weight) for every layer, as output channels × the rest."""
    weights: dict[str, Tensor] = {n: calibration.module.get_submodule(n).weight for n in calibration.trace.layers}  # type: ignore[misc]
    gradients = _loss_gradients(calibration, images, labels, weights)
    for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
        layer = calibration.trace.layers[name]
        yield name, layer.filters(weight.detach()), layer.filters(gradient)


def _loss_gradients(
    calibration: Calibration, images: Tensor, labels: Tensor, parameters: Mapping[str, Tensor]
) -> tuple[Tensor, ...]:
    """∂loss/∂parameter, the loss a mean over the images, in the order of `parameters`.

    The parameters' own `.grad` stays as it is.
    """
    import torch
    import torch.nn.functional as F

    with torch.enable_grad():
        loss = F.cross_entropy(calibration.module(images), labels)
        return torch.autograd.grad(loss, list(parameters.values()))
