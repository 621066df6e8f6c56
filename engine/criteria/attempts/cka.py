"""How far features move when something is removed: centred kernel alignment."""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.criteria.attempts.shared_prefix import Attempt, SharedPrefix
from engine.criteria.calibration import Calibration


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Linear CKA of N×D₁ and N×D₂ features of the same N inputs, in 0..1 (Kornblith et al. 2019, eq. 1 and 3).

    Features that do not vary at all resemble nothing: 0.
    """
    x, y = (z.double() - z.double().mean(0) for z in (x, y))
    if max(x.shape[1], y.shape[1]) > len(x):  # the same by Gram matrices, which are the smaller ones here
        k, m = x @ x.T, y @ y.T
        cross, scale = (k * m).sum(), k.norm() * m.norm()
    else:
        cross, scale = (x.T @ y).square().sum(), (x.T @ x).norm() * (y.T @ y).norm()
    return float(cross / scale) if scale > 0 else 0.0


def measure_drops(calibration: Calibration, attempts: Sequence[Attempt]) -> list[float]:
    """1 − CKA between the penultimate features with and without what each attempt removes, on calibration images."""
    prefix = SharedPrefix(calibration.trace, calibration.device)
    ablations = [prefix.prepare(attempt) for attempt in attempts]
    features_of: dict[int | None, list[Tensor]] = {index: [] for index in (None, *range(len(ablations)))}
    with torch.inference_mode():
        for images, _ in calibration.batches():
            for index, output in prefix.outputs(images, ablations):
                features_of[index].append(output.features.flatten(1))
    features = {index: torch.cat(parts) for index, parts in features_of.items()}
    return [1 - linear_cka(features[None], features[index]) for index in range(len(ablations))]
