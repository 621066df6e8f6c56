"""Criteria that look at feature maps: a layer's output after the norm and activation that directly follow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.criteria.calibration import Calibration, Scores, zeros
from engine.criteria.declare import criterion

if TYPE_CHECKING:
    from torch import Tensor

RANK_IMAGES = 64


@criterion(
    "activation", label="Mean activation", formula="mean |a_c|", source="Molchanov et al. 2017", needs="activations"
)
def activation(calibration: Calibration) -> Scores:
    """Mean |a_c| over calibration images and positions (Molchanov et al. 2017)."""
    return _image_mean(calibration, lambda maps: maps.abs().flatten(2).mean(2))


@criterion(
    "feature_rank", label="Feature rank", formula="mean rank of a_c", source="Lin et al. 2020", needs="activations"
)
def feature_rank(calibration: Calibration) -> Scores:
    """Mean matrix rank of a_c over the first 64 calibration images (Lin et al. 2020, eq. 4)."""
    import torch

    return _image_mean(calibration, lambda maps: torch.linalg.matrix_rank(maps).float(), RANK_IMAGES)


def _image_mean(calibration: Calibration, measure: Callable[[Tensor], Tensor], limit: int | None = None) -> Scores:
    """The mean over images of `measure`, which maps N×C×H×W feature maps to N×C numbers."""
    import torch

    from engine.graph.feature_maps import FeatureMaps

    total = zeros(calibration)

    def add(layer: str, maps: Tensor) -> None:
        total[layer] += measure(maps).double().sum(0).cpu().numpy()

    network = FeatureMaps(calibration.trace, add)
    count = 0
    for batch, _ in calibration.batches():
        images = batch[: None if limit is None else limit - count]
        with torch.inference_mode():
            network.run(images)
        count += len(images)
        if count == limit:
            break
    return {name: scores / count for name, scores in total.items()}
