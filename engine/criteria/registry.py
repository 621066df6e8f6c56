"""Scores by name: criteria alone or joined by + into a rank ensemble. No torch at import."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeVar, get_args

from engine.criteria.calibration import Calibration, Scores, block_scores, identity_scores
from engine.criteria.declare import BLOCK_SCORERS, IDENTITY_SCORERS, SCORERS
from engine.errors import WorkError
from engine.graph.summary import Block
from engine.spec.catalog import check_criterion
from engine.spec.parts import ExactMeasure

EXACT: dict[str, ExactMeasure] = {
    name: name for name in get_args(ExactMeasure)
}  # criteria that score blocks by attempts
K = TypeVar("K")


def score_channels(calibration: Calibration, criterion: str) -> dict[int, float]:
    """Scores of channel identities by one criterion or an ensemble `a+b`."""
    return _mean_rank([_channel_scores(calibration, name) for name in check_criterion(criterion).split("+")])


def _channel_scores(calibration: Calibration, name: str) -> dict[int, float]:
    if name in IDENTITY_SCORERS:
        return _finite_identities(calibration, name)
    return identity_scores(calibration.trace, _finite(name, SCORERS[name](calibration)))


def score_blocks(calibration: Calibration, blocks: Iterable[Block], criterion: str) -> dict[str, float]:
    """Scores of blocks by one criterion or an ensemble `a+b`; exact ones are what is lost without the block."""
    candidates = list(blocks)
    return _mean_rank([_score_blocks(calibration, candidates, name) for name in check_criterion(criterion).split("+")])


def _score_blocks(calibration: Calibration, blocks: list[Block], name: str) -> dict[str, float]:
    if name in BLOCK_SCORERS:
        return _finite_blocks(name, BLOCK_SCORERS[name](calibration, blocks))
    if name not in EXACT:
        return block_scores(blocks, score_filters(calibration, name))
    from engine.criteria.attempts.rank import rank_attempts
    from engine.criteria.attempts.shared_prefix import Attempt

    rises = rank_attempts(calibration, [Attempt(block.name, block.modules) for block in blocks], EXACT[name]).rises
    return {block.name: rise for block, rise in zip(blocks, rises, strict=True)}


def score_filters(calibration: Calibration, criterion: str) -> Scores:
    """One number per output channel of each layer: the criterion's own; for an ensemble the channel's mean rank."""
    if criterion in SCORERS:
        return _finite(criterion, SCORERS[criterion](calibration))
    return _spread(calibration, score_channels(calibration, criterion))


def _spread(calibration: Calibration, scores: Mapping[int, float]) -> Scores:
    """What channel identities have, at each layer that produces them; layers with channels without scores have none."""
    import numpy as np

    return {
        name: np.array([scores[int(i)] for i in layer.outs])
        for name, layer in calibration.trace.layers.items()
        if all(int(i) in scores for i in layer.outs)
    }


def _finite_identities(calibration: Calibration, criterion: str) -> dict[int, float]:
    scores = IDENTITY_SCORERS[criterion](calibration)
    _finite(criterion, _spread(calibration, scores))
    return scores


def _finite_blocks(criterion: str, scores: dict[str, float]) -> dict[str, float]:
    for name, score in scores.items():
        if not math.isfinite(score):
            raise _not_finite(criterion, name)
    return scores


def _finite(criterion: str, scores: Scores) -> Scores:
    import numpy as np

    for layer, values in scores.items():
        if not np.isfinite(values).all():
            raise _not_finite(criterion, layer)
    return scores


def _not_finite(criterion: str, place: str) -> WorkError:
    return WorkError(
        f"{criterion} gives scores for {place} that are not finite: its weights or images are not, or so "
        "large that squares overflow, as after a learning rate at which training diverged "
        "(--train-lr, --recover-lr)"
    )


def _mean_rank(scores: list[dict[K, float]]) -> dict[K, float]:
    """One criterion's scores as they are; several as the mean of their percentile ranks (ties share the mean rank)."""
    if len(scores) == 1:
        return scores[0]
    import numpy as np
    from scipy.stats import rankdata

    common = [key for key in scores[0] if all(key in s for s in scores)]
    ranks = [rankdata([s[key] for key in common]) / len(common) for s in scores]
    return dict(zip(common, np.mean(ranks, axis=0).tolist(), strict=True))
