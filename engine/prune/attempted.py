"""What the iterative methods share: what they look at, and what they leave in the run's record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine.criteria.subject import Subject
from engine.criteria.verdict import Verdict, judge
from engine.criteria.walk import Attempt
from engine.graph.describe import Described
from engine.graph.metric import Metric
from engine.prune.plan import Step
from engine.spec import Measure


@dataclass(frozen=True)
class Scene:
    """A network that a little is to be removed from, and how attempts on it are judged.

    `whole` is the untouched network's cost; `limit` what the phase is to come down to, `floor` what it must not fall
    below, all in units of `metric`. `reference` are the untouched network's logits on the subject's images.
    """

    subject: Subject
    described: Described
    metric: Metric
    whole: float
    limit: float
    floor: float
    measure: Measure
    raced: bool
    reference: Tensor | None

    def judge(self, attempts: Sequence[Attempt], savings: Sequence[float] | None, wanted: int) -> Verdict:
        """The `wanted` attempts that hurt least, per saving where `savings` are given."""
        return judge(
            self.subject,
            attempts,
            self.measure,
            savings=savings,
            wanted=wanted,
            raced=self.raced,
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


def record(scene: Scene, proposals: Sequence[Proposal], verdict: Verdict, selected: Sequence[int]) -> dict[str, Any]:
    """The fields of an "attempts" event."""
    tallies = [after.to_json() for after in verdict.after] or [{}] * len(proposals)
    return {
        "measure": scene.measure,
        "before": verdict.before.to_json() if verdict.after else {},
        "attempts": [
            {
                "name": proposal.attempt.name,
                "what": "channels" if proposal.channels else "block",
                "channels": proposal.channels,
                "saved": proposal.saving / scene.whole,
                "rise": rise,
                "selected": i in selected,
                **tally,
            }
            for i, (proposal, rise, tally) in enumerate(zip(proposals, verdict.rises, tallies, strict=True))
        ],
    }
