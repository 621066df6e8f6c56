"""What the iterative methods share: what they look at, and what they leave in the run's record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine.criteria.attempts.rank import Ranking, rank_attempts
from engine.criteria.attempts.shared_prefix import Attempt
from engine.criteria.calibration import Calibration
from engine.graph.metric import Metric
from engine.graph.summarize import Structure
from engine.spec.run import Measure
from engine.surgery.plan import Step


@dataclass(frozen=True)
class AttemptContext:
    """A network that a little is to be removed from, and how attempts on it are judged.

    `baseline_cost` is the baseline's cost; `limit` what the phase is to come down to, `floor` what it must not fall
    below, all in units of `metric`. `reference` are the baseline's logits on the calibration images.
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

    def rank(self, attempts: Sequence[Attempt], savings: Sequence[float] | None, wanted: int) -> Ranking:
        """The `wanted` attempts that hurt least, per saving where `savings` are given."""
        return rank_attempts(
            self.calibration,
            attempts,
            self.measure,
            savings=savings,
            wanted=wanted,
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
class Choice:
    """What goes next, and the record of everything that was attempted."""

    step: Step
    record: dict[str, Any]


def attempt_record(
    context: AttemptContext, proposals: Sequence[Proposal], ranking: Ranking, selected: Sequence[int]
) -> dict[str, Any]:
    """The fields of an "attempts" event."""
    tallies = [after.to_json() for after in ranking.after] or [{}] * len(proposals)
    return {
        "measure": context.measure,
        "before": ranking.before.to_json() if ranking.after else {},
        "attempts": [
            {
                "name": proposal.attempt.name,
                "what": "channels" if proposal.channels else "block",
                "channels": proposal.channels,
                "saved": proposal.saving / context.baseline_cost,
                "rise": rise,
                "selected": i in selected,
                **tally,
            }
            for i, (proposal, rise, tally) in enumerate(zip(proposals, ranking.rises, tallies, strict=True))
        ],
    }
