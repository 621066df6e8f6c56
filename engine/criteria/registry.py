"""Scores by name: criteria alone or joined by + into a rank ensemble. No torch at import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, get_args

from engine.criteria.calibration import Calibration, Scores, block_scores, identity_scores
from engine.criteria.declare import SCORERS
from engine.errors import WorkError
from engine.graph.summary import Block
from engine.spec.catalog import check_criterion
from engine.spec.run import Measure

EXACT: dict[str, Measure] = {name: name for name in get_args(Measure)}  # criteria that score blocks by attempts
K = TypeVar("K")


def score_channels(calibration: Calibration, criterion: str) -> dict[int, float]:
    """Scores of channel identities by one criterion or an ensemble `a+b`."""
    return _mean_rank([identity_scores(calibration.trace, filters) for filters in _scores(calibration, criterion)])


def score_blocks(calibration: Calibration, blocks: Iterable[Block], criterion: str) -> dict[str, float]:
    """Scores of blocks by one criterion or an ensemble `a+b`; exact ones are what is lost without the block."""
    candidates = list(blocks)
    return _mean_rank([_score_blocks(calibration, candidates, name) for name in check_criterion(criterion).split("+")])


def _score_blocks(calibration: Calibration, blocks: list[Block], name: str) -> dict[str, float]:
    if name not in EXACT:
        return block_scores(blocks, _finite(name, SCORERS[name](calibration)))
    from engine.criteria.attempts.rank import rank_attempts
    from engine.criteria.attempts.shared_prefix import Attempt

    rises = rank_attempts(calibration, [Attempt(block.name, block.modules) for block in blocks], EXACT[name]).rises
    return {block.name: rise for block, rise in zip(blocks, rises, strict=True)}


def score_filters(calibration: Calibration, criterion: str) -> Scores:
    """One number per output channel of each layer: the criterion's own; for an ensemble the channel's mean rank."""
    if "+" not in criterion:
        return _scores(calibration, criterion)[0]
    import numpy as np

    ranks = score_channels(calibration, criterion)
    return {
        name: np.array([ranks[int(i)] for i in layer.outs])
        for name, layer in calibration.trace.layers.items()
        if all(int(i) in ranks for i in layer.outs)
    }


def _scores(calibration: Calibration, criterion: str) -> list[Scores]:
    return [_finite(name, SCORERS[name](calibration)) for name in check_criterion(criterion).split("+")]


def _finite(criterion: str, scores: Scores) -> Scores:
    import numpy as np

    for layer, values in scores.items():
        if not np.isfinite(values).all():
            raise WorkError(
                f"{criterion} gives scores for {layer} that are not finite: its weights or images are not, or so "
                "large that squares overflow, as after a learning rate at which training diverged "
                "(--train-lr, --recover-lr)"
            )
    return scores


def _mean_rank(scores: list[dict[K, float]]) -> dict[K, float]:
    """One criterion's scores as they are; several as the mean of their percentile ranks (ties share the mean rank)."""
    if len(scores) == 1:
        return scores[0]
    import numpy as np
    from scipy.stats import rankdata

    common = [key for key in scores[0] if all(key in s for s in scores)]
    ranks = [rankdata([s[key] for key in common]) / len(common) for s in scores]
    return dict(zip(common, np.mean(ranks, axis=0).tolist(), strict=True))
