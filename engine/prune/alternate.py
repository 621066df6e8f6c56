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
    context: AttemptContext, blocks: Mapping[str, float], channels: Mapping[int, float], settings: WidthSpec
) -> Choice:
    """Propose the block with the lowest score and a channel step that saves as much; keep the one that hurts less.

    `blocks` and `channels` are scores by the run's criterion. Blocks that lead below the limit are not proposed: when
    none is left, channels meet the limit by themselves. TargetUnreachable when they do not allow it.
    """
    now = context.metric.of(CostModel(context.structure.summary))
    fitting = direct.propose_removals(context.structure.summary, context.metric, context.floor)
    fitting.sort(key=lambda p: blocks[p.attempt.name])
    limit = now - fitting[0].saving if fitting else context.limit
    try:
        dropped = width.select_channels(
            context.structure, channels, context.metric, limit, settings.scope, settings.round_to
        )
    except TargetUnreachable:
        if not fitting:
            raise
        dropped = frozenset()
    step = plan.channel_step(context.structure.trace, dropped)
    proposals = fitting[:1]
    if dropped:
        proposals = [*proposals, Proposal(Attempt("channels", dropped=dropped), now - limit, len(dropped))]
    ranking = context.rank([p.attempt for p in proposals], None, wanted=1)
    chosen = proposals[ranking.best[0]]
    if not chosen.channels:
        step = plan.Step(blocks=(chosen.attempt.name,))
    return Choice(step, attempt_record(context, proposals, ranking, ranking.best))
