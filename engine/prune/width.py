"""Which channels go: one-shot width pruning, global or uniform."""

from collections.abc import Mapping

import numpy as np

from engine.graph.channel_ids import Ids
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure
from engine.prune.solver import removal_order, solve, uniform_keys


def select_channels(
    structure: Structure,
    scores: Mapping[int, float],
    metric: Metric,
    limit: float,
    scope: str,
    round_to: int,
    least: Mapping[int, int] | None = None,
) -> frozenset[int]:
    """The identities that go so that `metric` costs at most `limit`.

    Within a channel group (interchangeable channels) the lowest scores go first, ties by identity. `scope` "global"
    ranks the scores of the whole network together, "uniform" cuts the same share everywhere. Identities without a
    score stay, and so do `least` of each channel group. Globally, channels of a residual stream go last: one of them is
    read by every block, while its score, a mean over many layers, says little about it. TargetUnreachable when the
    rules do not allow the target.
    """
    ranked = ranked_groups(structure, scores)
    if scope == "uniform":
        uniform = uniform_keys(structure.summary, set(ranked))
        keys = {c: uniform[c] for c in ranked}
    else:
        keys = {c: [scores[int(i)] for i in structure.members[c][order]] for c, order in ranked.items()}
    model = CostModel(structure.summary)
    chunks = removal_order(structure.summary, keys, round_to, shared_last=scope == "global", least=least)
    kept = solve(model, chunks, metric, limit)
    return structure.identities_at({c: order[: len(order) - kept[c]] for c, order in ranked.items()})


def ranked_groups(structure: Structure, scores: Mapping[int, float]) -> dict[int, Ids]:
    """For each channel group that may lose channels and has scores: positions, lowest score first, ties by identity."""
    return {c: _ranked(ids, scores) for c, ids in enumerate(structure.members) if _scored(structure, c, scores)}


def _scored(structure: Structure, group: int, scores: Mapping[int, float]) -> bool:
    return structure.summary.channel_groups[group].removable and all(int(i) in scores for i in structure.members[group])


def _ranked(ids: Ids, scores: Mapping[int, float]) -> Ids:
    return np.lexsort((ids, np.array([scores[int(i)] for i in ids])))
