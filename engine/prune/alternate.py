"""Alternate pruning: at each step a block or as much in channels, whichever hurts less."""

from collections.abc import Mapping

from engine.criteria.attempts.shared_prefix import Attempt
from engine.graph.cost import CostModel
from engine.prune import direct, width
from engine.prune.attempt_context import AttemptContext, Choice, Proposal, attempt_record
from engine.prune.solver import TargetUnreachable
from engine.spec.run import WidthSpec
from engine.surgery import plan


def select_step(
    context: AttemptContext,
    blocks: Mapping[str, float],
    channels: Mapping[int, float],
    settings: WidthSpec,
    channel_ranking: width.Ranking,
) -> Choice:
    """Propose the block with the lowest score and a channel step that saves as much; keep the one that hurts less.

    `blocks` and `channels` are scores by the run's criterion. Blocks that lead below the limit are not proposed: when
    none is left, channels meet the limit by themselves. TargetUnreachable when they do not allow it.
    """
    cost = context.metric.of(CostModel(context.structure.summary))
    protection = context.protection
    removals = direct.propose_removals(context.structure.summary, context.metric, context.floor, protection.blocks)
    removals.sort(key=lambda p: blocks[p.attempt.name])
    limit = cost - removals[0].saving if removals else context.limit
    try:
        dropped = width.select_channels(
            context.structure,
            channels,
            context.metric,
            limit,
            settings.scope,
            settings.round_to,
            protection.least,
            channel_ranking,
        )
    except TargetUnreachable:
        if not removals:
            raise
        dropped = frozenset()
    step = plan.channel_step(context.structure.trace, dropped)
    proposals = removals[:1]
    if dropped:
        proposals = [*proposals, Proposal(Attempt("channels", dropped=dropped), cost - limit, len(dropped))]
    measured = context.rank([p.attempt for p in proposals], None, count=1)
    selected = proposals[measured.best[0]]
    if not selected.channels:
        step = plan.Step(blocks=(selected.attempt.name,))
    return Choice(step, attempt_record(context, proposals, measured, measured.best))
