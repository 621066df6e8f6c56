"""Direct depth pruning: the exact accuracy of each removal, one block at a time (Wu et al. 2023)."""

from collections.abc import Collection

from engine.criteria.attempts.shared_prefix import Attempt
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summary import ModelSummary
from engine.prune import depth
from engine.prune.attempt_context import AttemptContext, Choice, Proposal, attempt_record
from engine.prune.solver import TargetUnreachable
from engine.surgery.plan import Step


def select_step(context: AttemptContext) -> Choice:
    """The block whose removal hurts least; ties go to the larger saving, then by name.

    TargetUnreachable when none is left.
    """
    proposals = propose_removals(context.structure.summary, context.metric, context.floor, context.protection.blocks)
    if not proposals:
        raise TargetUnreachable(context.metric.of(CostModel(context.structure.summary)), "without all removable blocks")
    ranking = context.rank([p.attempt for p in proposals], None, count=1)
    step = Step(blocks=(proposals[ranking.best[0]].attempt.name,))
    return Choice(step, attempt_record(context, proposals, ranking, ranking.best))


def propose_removals(
    summary: ModelSummary, metric: Metric, floor: float, protected: Collection[str] = ()
) -> list[Proposal]:
    """Doing without each block that does not lead below the floor: the largest saving first, then by name.

    Blocks that are `protected` by name are not proposed.
    """
    cost = metric.of(CostModel(summary))
    costs = {
        block: metric.of(CostModel(summary, [block.name])) for block in depth.candidates(summary, protected=protected)
    }
    proposals = [
        Proposal(Attempt(block.name, block.modules), cost - remaining)
        for block, remaining in costs.items()
        if floor <= remaining < cost
    ]
    return sorted(proposals, key=lambda p: (-p.saving, p.attempt.name))
