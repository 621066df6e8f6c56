"""Alternate pruning: at each step a block or as much in channels, whichever hurts less."""

from collections.abc import Mapping

from engine.criteria.walk import Attempt
from engine.graph.cost import CostModel
from engine.prune import direct, plan, width
from engine.prune.attempted import Choice, Proposal, Scene, record
from engine.prune.target import CannotMeet
from engine.spec import WidthSpec


def choose(scene: Scene, blocks: Mapping[str, float], channels: Mapping[int, float], how: WidthSpec) -> Choice:
    """Propose the block with the lowest score and a channel step that saves as much; keep the one that hurts less.

    `blocks` and `channels` are scores by the run's criterion. Blocks that lead below the limit are not proposed: when
    none is left, channels meet the limit by themselves. CannotMeet when they do not allow it.
    """
    now = scene.metric.of(CostModel(scene.described.sheet))
    fitting = direct.proposals(scene.described.sheet, scene.metric, scene.floor)
    fitting.sort(key=lambda p: blocks[p.attempt.name])
    limit = now - fitting[0].saving if fitting else scene.limit
    try:
        dropped = width.choose(scene.described, channels, scene.metric, limit, how.scope, how.round_to)
    except CannotMeet:
        if not fitting:
            raise
        dropped = frozenset()
    step = plan.channel_step(scene.described.trace, dropped)
    proposals = fitting[:1]
    if dropped:
        proposals = [*proposals, Proposal(Attempt("channels", dropped=dropped), now - limit, len(dropped))]
    verdict = scene.judge([p.attempt for p in proposals], None, wanted=1)
    chosen = proposals[verdict.best[0]]
    if not chosen.channels:
        step = plan.Step(blocks=(chosen.attempt.name,))
    return Choice(step, record(scene, proposals, verdict, verdict.best))
