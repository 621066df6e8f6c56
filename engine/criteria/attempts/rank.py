"""Which of several attempts hurts least: one function for every measure, raced or not."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.criteria.attempts import cka
from engine.criteria.attempts.evaluator import AttemptEvaluator, Tally
from engine.criteria.attempts.race import find_best
from engine.criteria.attempts.shared_prefix import Attempt
from engine.criteria.calibration import Calibration
from engine.spec.parts import ExactMeasure


@dataclass(frozen=True)
class Ranking:
    """What was measured: attempts by position, `best` ones first.

    `rises` are per image: errors, nats, or 1 − CKA; or shares of variance that a reconstruction would leave over. For
    attempts that a race dropped they are lower bounds, and their tallies count fewer images. CKA and reconstruction
    have no tallies.
    """

    best: tuple[int, ...]
    rises: tuple[float, ...]
    before: Tally
    after: tuple[Tally, ...]


def rank_attempts(
    calibration: Calibration,
    attempts: Sequence[Attempt],
    measure: ExactMeasure,
    *,
    savings: Sequence[float] | None = None,
    count: int | None = None,
    race: bool = False,
    reference: Tensor | None = None,
) -> Ranking:
    """Measure `attempts` on the calibration images, and find the `count` (all) with the smallest rise per saving.

    Ties go by position. `reference` are the logits that divergence is counted from: the baseline's.
    """
    savings = [1.0] * len(attempts) if savings is None else savings
    count = len(attempts) if count is None else min(count, len(attempts))
    if measure == "cka":
        return rank_rises(cka.measure_drops(calibration, attempts), savings, count)
    assert calibration.images is not None
    evaluator = AttemptEvaluator(
        calibration.trace, calibration.images, attempts, reference, folded=measure != "accuracy"
    )
    best: tuple[int, ...] | None = None
    if race and count < len(attempts):
        best = tuple(find_best(evaluator, measure, savings, count))
    else:
        evaluator.run()
    before, images = evaluator.before.harm(measure), len(calibration.images)
    rises = [(after.harm(measure) - before) / images for after in evaluator.after]
    return Ranking(best or _smallest(rises, savings, count), tuple(rises), evaluator.before, tuple(evaluator.after))


def rank_rises(rises: Sequence[float], savings: Sequence[float] | None, count: int) -> Ranking:
    """The ranking of attempts whose rises are known, and of which there are no tallies."""
    savings = [1.0] * len(rises) if savings is None else savings
    return Ranking(_smallest(rises, savings, min(count, len(rises))), tuple(rises), Tally(), ())


def _smallest(rises: Sequence[float], savings: Sequence[float], count: int) -> tuple[int, ...]:
    return tuple(sorted(range(len(rises)), key=lambda i: (rises[i] / savings[i], i))[:count])
