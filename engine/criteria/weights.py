"""Criteria that look at the weights alone."""

import zlib

from engine.criteria.calibration import Calibration, Scores, norm_scales, weights_of
from engine.criteria.declare import criterion


@criterion("random", label="Random", formula="uniform, from the run's seed", source="the control", needs="nothing")
def random(calibration: Calibration) -> Scores:
    """Uniform in [0, 1), from the seed and the layer's name: the control of every comparison."""
    import numpy as np

    return {
        name: np.random.default_rng([calibration.seed, zlib.crc32(name.encode())]).random(len(layer.outs))
        for name, layer in calibration.trace.layers.items()
    }


@criterion("l1", label="L1 norm", formula="Σ|W_c|", source="Li et al. 2017", needs="weights")
def l1(calibration: Calibration) -> Scores:
    """Σ|W_c| (Li et al. 2017)."""
    return {name: w.abs().sum(1).numpy() for name, w in weights_of(calibration)}


@criterion("l2", label="L2 norm", formula="√Σ W_c²", source="Li et al. 2017", needs="weights")
def l2(calibration: Calibration) -> Scores:
    """√Σ W_c²."""
    return {name: w.norm(dim=1).numpy() for name, w in weights_of(calibration)}


@criterion("bn_scale", label="BN scale", formula="|γ_c|", source="Liu et al. 2017", needs="weights", batch_norm=True)
def bn_scale(calibration: Calibration) -> Scores:
    """|γ_c| of the batch norm that directly follows (Liu et al. 2017); layers without one have no score."""
    return {name: w.detach().double().abs().cpu().numpy() for name, w in norm_scales(calibration, "bn_scale").items()}


@criterion("fpgm", label="Geometric median", formula="Σ_j ‖W_c − W_j‖₂", source="He et al. 2019", needs="weights")
def fpgm(calibration: Calibration) -> Scores:
    """Σ_j ‖W_c − W_j‖₂: near the geometric median means replaceable (He et al. 2019, eq. 4)."""
    import torch

    return {name: torch.cdist(w, w).sum(1).numpy() for name, w in weights_of(calibration)}


@criterion("lamp", label="LAMP", formula="‖W_c‖² / Σ_{‖W_j‖ ≥ ‖W_c‖} ‖W_j‖²", source="Lee et al. 2021", needs="weights")
def lamp(calibration: Calibration) -> Scores:
    """‖W_c‖² over the sum of ‖W_j‖² not smaller than it in the layer (Lee et al. 2021, eq. 4, for filters)."""
    import torch

    scores: Scores = {}
    for name, w in weights_of(calibration):
        squares = w.square().sum(1)
        ascending, order = squares.sort()
        not_smaller = ascending.flip(0).cumsum(0).flip(0)
        first_equal = torch.searchsorted(ascending, ascending)  # ties share one denominator
        score = torch.empty_like(squares)
        score[order] = ascending / not_smaller[first_equal].clamp_min(torch.finfo(squares.dtype).tiny)
        scores[name] = score.numpy()
    return scores
