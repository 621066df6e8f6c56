"""Racing attempts: the best ones, without measuring the others to the end.

Errors, loss and divergence only add up. What an attempt has gathered on some of the images is a lower bound of its
total, whatever the other images hold (branch and bound: Land & Doig 1960). So an attempt can be dropped, for certain
and not merely with some confidence, once as many others as are wanted have been measured to the end and lie below its
bound. A race gives exactly the selection that measuring everything gives.

The bound closes early because the images that the network as it is was least sure of come first: there an attempt
gathers most of its harm.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.criteria.attempts.evaluator import AttemptEvaluator
from engine.spec.run import Measure, check_race

SLICE = 48  # images; smaller ones drop attempts sooner, larger ones run faster each


def find_best(attempts: AttemptEvaluator, measure: Measure, savings: Sequence[float], wanted: int) -> list[int]:
    """The `wanted` attempts with the smallest rise of `measure` per unit saved, best first; ties by position.

    `savings[i]` is what attempt i saves (1 throughout to compare the rise alone). The tallies of the others stay where
    they were dropped. How sure the network is of an image is read off the attempts' reference; without one it is run
    for that.
    """
    check_race(len(attempts.images))
    sure = attempts.intact() if attempts.reference is None else attempts.reference
    slices = torch.split(hardest_first(sure).cpu(), SLICE)
    open_, at = list(range(len(savings))), dict.fromkeys(range(len(savings)), 0)

    def bound(i: int) -> tuple[float, int]:
        return (attempts.after[i].harm(measure) - attempts.before.harm(measure)) / savings[i], i

    def measure_on(which: Sequence[int], upto: int) -> None:
        """Bring attempts that stand at the same slice to `upto`; the first to get there take the network along."""
        for part in slices[at[which[0]] : upto]:
            attempts.more(which, part, intact=attempts.before.seen < len(attempts.images))
        at.update(dict.fromkeys(which, upto))

    measure_on(open_, 1)
    # The most promising go through all images first; from then on the bounds of the others hold for certain.
    finished = sorted(open_, key=bound)[:wanted]
    measure_on(finished, len(slices))
    open_ = [i for i in open_ if i not in finished]
    while open_:
        finished.sort(key=bound)
        open_ = [i for i in open_ if bound(i) < bound(finished[wanted - 1])]
        group = [i for i in open_ if at[i] == at[open_[0]]]
        if group:
            measure_on(group, at[group[0]] + 1)
        finished += [i for i in group if at[i] == len(slices)]
        open_ = [i for i in open_ if at[i] < len(slices)]
    return sorted(finished, key=bound)[:wanted]


def hardest_first(logits: Tensor) -> Tensor:
    """Indices of images, those first whose two largest of N×classes logits lie closest together."""
    two = logits.topk(min(2, logits.shape[1]), dim=1).values
    return torch.argsort(two[:, 0] - two[:, -1], stable=True)
