"""Which of several attempts hurts least: one question for every measure, raced or not."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.criteria import cka
from engine.criteria.exact import Attempts, Tally
from engine.criteria.race import race
from engine.criteria.subject import Subject
from engine.criteria.walk import Attempt
from engine.spec import Measure


@dataclass(frozen=True)
class Verdict:
    """What was measured: attempts by position, `best` ones first.

    `rises` are per image: errors, nats, or 1 − CKA. For attempts that a race dropped they are lower bounds, and their
    tallies have seen fewer images. CKA has no tallies.
    """

    best: tuple[int, ...]
    rises: tuple[float, ...]
    before: Tally
    after: tuple[Tally, ...]


def judge(
    subject: Subject,
    attempts: Sequence[Attempt],
    measure: Measure,
    *,
    savings: Sequence[float] | None = None,
    wanted: int | None = None,
    raced: bool = False,
    reference: Tensor | None = None,
) -> Verdict:
    """Measure `attempts` on the subject's images, and find the `wanted` (all) with the smallest rise per saving.

    Ties go by position. `reference` are the logits that divergence is counted from: those of the untouched network.
    """
    savings = [1.0] * len(attempts) if savings is None else savings
    wanted = len(attempts) if wanted is None else min(wanted, len(attempts))
    if measure == "cka":
        rises = cka.drops(subject, attempts)
        return Verdict(_lowest(rises, savings, wanted), tuple(rises), Tally(), ())
    assert subject.images is not None
    tried = Attempts(subject.trace, subject.images, attempts, reference, folded=measure != "accuracy")
    best: tuple[int, ...] | None = None
    if raced and wanted < len(attempts):
        best = tuple(race(tried, measure, savings, wanted))
    else:
        tried.run()
    before, images = tried.before.harm(measure), len(subject.images)
    rises = [(after.harm(measure) - before) / images for after in tried.after]
    return Verdict(best or _lowest(rises, savings, wanted), tuple(rises), tried.before, tuple(tried.after))


def _lowest(rises: Sequence[float], savings: Sequence[float], wanted: int) -> tuple[int, ...]:
    return tuple(sorted(range(len(rises)), key=lambda i: (rises[i] / savings[i], i))[:wanted])
