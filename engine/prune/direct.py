"""Direct depth pruning: the exact accuracy of each removal, one block at a time (Wu et al. 2023)."""

from engine.criteria.walk import Attempt
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.sheet import ModelSheet
from engine.prune import depth
from engine.prune.attempted import Choice, Proposal, Scene, record
from engine.prune.plan import Step
from engine.prune.target import CannotMeet


def choose(scene: Scene) -> Choice:
    """The block whose removal hurts least; ties go to the larger saving, then by name. CannotMeet when none is left."""
    found = proposals(scene.described.sheet, scene.metric, scene.floor)
    if not found:
        raise CannotMeet(scene.metric.of(CostModel(scene.described.sheet)), "without all removable blocks")
    verdict = scene.judge([p.attempt for p in found], None, wanted=1)
    step = Step(blocks=(found[verdict.best[0]].attempt.name,))
    return Choice(step, record(scene, found, verdict, verdict.best))


def proposals(sheet: ModelSheet, metric: Metric, floor: float) -> list[Proposal]:
    """Doing without each block that does not lead below the floor: the largest saving first, then by name."""
    now = metric.of(CostModel(sheet))
    without = {block: metric.of(CostModel(sheet, [block.name])) for block in depth.candidates(sheet)}
    found = [
        Proposal(Attempt(block.name, block.modules), now - then)
        for block, then in without.items()
        if floor <= then < now
    ]
    return sorted(found, key=lambda p: (-p.saving, p.attempt.name))
