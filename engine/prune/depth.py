"""Which blocks go: one-shot depth pruning (Sadaqa & Liu 2025). No torch."""

from collections.abc import Collection, Mapping

from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summary import Block, ModelSummary
from engine.prune.solver import TargetUnreachable


def candidates(summary: ModelSummary, kept: list[int] | None = None, *, protected: Collection[str] = ()) -> list[Block]:
    """The blocks that may go when `kept` channels per group remain: as wide where they read as where they write.

    Those that are `protected` by name stay.
    """
    return [
        block
        for block in summary.blocks
        if block.removable
        and block.name not in protected
        and (kept is None or all(kept[written] == kept[read] for written, read in block.reroute))
    ]


def select_blocks(
    summary: ModelSummary,
    scores: Mapping[str, float],
    metric: Metric,
    limit: float,
    *,
    not_below: float = 0.0,
    kept: list[int] | None = None,
    protected: Collection[str] = (),
) -> list[str]:
    """Blocks with the lowest scores, until the cost is at most `limit`.

    Ties go to the larger saving, then by name. Those `protected` by name stay. A block that would take the network
    below `not_below` is passed over, so that channels can meet that target exactly. TargetUnreachable when no block is
    left and nothing smaller follows (`not_below` = 0).
    """
    full_cost = metric.of(CostModel(summary), kept)
    saving = {
        block.name: full_cost - metric.of(CostModel(summary, [block.name]), kept)
        for block in candidates(summary, kept, protected=protected)
    }
    removed: list[str] = []
    cost = full_cost
    for name in sorted(saving, key=lambda n: (scores[n], -saving[n], n)):
        if cost <= limit:
            break
        cost_without = metric.of(CostModel(summary, [*removed, name]), kept)
        if cost_without >= not_below:
            removed.append(name)
            cost = cost_without
    if cost > limit and not not_below:
        raise TargetUnreachable(cost, f"without all {len(saving)} removable blocks")
    return removed
