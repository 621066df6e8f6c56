"""What the iterative methods share: what they rank attempts on, and what they write of a step to the run's events."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.criteria.attempts.rank import Ranking, rank_attempts, rank_rises
from engine.criteria.attempts.shared_prefix import Attempt
from engine.criteria.calibration import Calibration
from engine.criteria.reconstruction.leftover import Leftover
from engine.graph.metric import Metric
from engine.graph.summarize import Structure
from engine.prune.protection import NOTHING, Protection
from engine.spec.run import Measure
from engine.storage.records import event
from engine.surgery.plan import Step


@dataclass(frozen=True)
class AttemptContext:
    """A network that a step is to be removed from, and how attempts on it are ranked.

    `baseline_cost` is the baseline's cost; `limit` what the phase is to come down to, `floor` what it must not fall
    below, all in units of `metric`. `protection` is what may not go. `reference` are the
    baseline's logits on the calibration images. `leftover` tells what reconstruction would leave over of the baseline,
    of which `steps` made the network; None where the measure is another one.
    """

    calibration: Calibration
    structure: Structure
    metric: Metric
    baseline_cost: float
    limit: float
    floor: float
    measure: Measure
    race: bool
    reference: Tensor | None
    protection: Protection = NOTHING
    leftover: Leftover | None = None
    steps: tuple[Step, ...] = ()

    def rank(self, attempts: Sequence[Attempt], savings: Sequence[float] | None, count: int) -> Ranking:
        """The `count` attempts that hurt least, per saving where `savings` are given."""
        if self.measure == "reconstruction":
            assert self.leftover is not None
            return rank_rises(self.leftover.rises(self.steps, self.structure, attempts), savings, count)
        return rank_attempts(
            self.calibration,
            attempts,
            self.measure,
            savings=savings,
            count=count,
            race=self.race,
            reference=self.reference,
        )


@dataclass(frozen=True)
class Proposal:
    """Something to attempt: what the record calls it, and what it saves in units of the metric."""

    attempt: Attempt
    saving: float
    channels: int = 0  # 0: a block


@dataclass(frozen=True)
class AttemptRecord:
    """Everything that one step attempted, and the network before it: what its event says."""

    measure: Measure
    before: event.Tally
    attempts: tuple[event.Attempt, ...]


@dataclass(frozen=True)
class Choice:
    """What goes next, and the record of everything that was attempted."""

    step: Step
    record: AttemptRecord


def attempt_record(
    context: AttemptContext, proposals: Sequence[Proposal], ranking: Ranking, selected: Sequence[int]
) -> AttemptRecord:
    """The record of one step; CKA and reconstruction have no tallies."""
    tallies = [event.Tally.from_json(after.to_json()) for after in ranking.after] or [event.Tally()] * len(proposals)
    return AttemptRecord(
        context.measure,
        event.Tally.from_json(ranking.before.to_json()) if ranking.after else event.Tally(),
        tuple(
            event.Attempt(
                name=proposal.attempt.name,
                what="channels" if proposal.channels else "block",
                channels=proposal.channels,
                saved=proposal.saving / context.baseline_cost,
                rise=rise,
                selected=i in selected,
                correct=tally.correct,
                total=tally.total,
                loss=tally.loss,
                divergence=tally.divergence,
            )
            for i, (proposal, rise, tally) in enumerate(zip(proposals, ranking.rises, tallies, strict=True))
        ),
    )
