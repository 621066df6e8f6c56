"""Which channels go: one-shot width pruning, global or uniform."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from engine.graph.channel_ids import Ids
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure
from engine.prune.saving_order import saving_order
from engine.prune.solver import removal_order, solve, uniform_keys
from engine.spec import catalog
from engine.spec.catalog import Rank


@dataclass(frozen=True)
class Ranking:
    """How the channels of a whole network are ranked together: by score, or by score over what a channel frees.

    Channels of a residual stream go last: one of them is read by every block, while its score, a mean over many layers,
    says little about it. Not so where scores are `comparable` across layers as they are.
    """

    rank: Rank
    comparable: bool

    @classmethod
    def of(cls, criterion: str, rank: Rank | None) -> Self:
        """That of a request; where it leaves `rank` out, scores that are comparable are ranked per saving."""
        return cls(catalog.rank_of(criterion, rank), catalog.is_comparable(criterion))


BY_SCORE = Ranking("score", comparable=False)


def select_channels(
    structure: Structure,
    scores: Mapping[int, float],
    metric: Metric,
    limit: float,
    scope: str,
    round_to: int,
    least: Mapping[int, int] | None = None,
    ranking: Ranking = BY_SCORE,
) -> frozenset[int]:
    """The identities that go so that `metric` costs at most `limit`.

    Within a channel group (interchangeable channels) the lowest scores go first, ties by identity. `scope` "global"
    ranks the channels of the whole network together, as `ranking` says; "uniform" cuts the same share everywhere.
    Identities without a score stay, and so do `least` of each channel group. TargetUnreachable when the rules do not
    allow the target.
    """
    ranked = ranked_groups(structure, scores)
    summary, model = structure.summary, CostModel(structure.summary)
    ascending = {c: [scores[int(i)] for i in structure.members[c][order]] for c, order in ranked.items()}
    shared_last = not ranking.comparable
    if scope == "uniform":
        uniform = uniform_keys(summary, set(ranked))
        chunks = removal_order(summary, {c: uniform[c] for c in ranked}, round_to, least=least, ties=ascending)
    elif ranking.rank == "per-saving":
        chunks = saving_order(summary, ascending, metric, round_to, shared_last=shared_last, least=least)
    else:
        chunks = removal_order(summary, ascending, round_to, shared_last=shared_last, least=least)
    kept = solve(model, chunks, metric, limit)
    return structure.identities_at({c: order[: len(order) - kept[c]] for c, order in ranked.items()})


def ranked_groups(structure: Structure, scores: Mapping[int, float]) -> dict[int, Ids]:
    """For each channel group that may lose channels and has scores: positions, lowest score first, ties by identity."""
    return {c: _ranked(ids, scores) for c, ids in enumerate(structure.members) if _scored(structure, c, scores)}


def _scored(structure: Structure, group: int, scores: Mapping[int, float]) -> bool:
    return structure.summary.channel_groups[group].removable and all(int(i) in scores for i in structure.members[group])


def _ranked(ids: Ids, scores: Mapping[int, float]) -> Ids:
    return np.lexsort((ids, np.array([scores[int(i)] for i in ids])))
