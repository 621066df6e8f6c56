"""Racing attempts: the best ones, without measuring the others to the end.

Errors, loss and divergence only add up. What an attempt has gathered on some of the images is a lower bound of its
total, whatever the other images hold (branch and bound: Land & Doig 1960). So an attempt can be dropped, for certain
and not merely with some confidence, once as many others as are wanted have been measured to the end and lie below its
bound. A race gives exactly the selection that measuring everything gives.

The bound closes early because the images that the current network is least sure of come first: there an attempt
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
    logits = attempts.measure_current() if attempts.reference is None else attempts.reference
    slices = torch.split(hardest_first(logits).cpu(), SLICE)
    candidates = list(range(len(savings)))
    progress = dict.fromkeys(candidates, 0)  # slices that each attempt was measured on

    def bound(i: int) -> tuple[float, int]:
        return (attempts.after[i].harm(measure) - attempts.before.harm(measure)) / savings[i], i

    def measure_on(which: Sequence[int], upto: int) -> None:
        """Bring attempts that stand at the same slice to `upto`; the first ones measure the current network, too."""
        for part in slices[progress[which[0]] : upto]:
            attempts.measure_more(which, part, include_current=attempts.before.total < len(attempts.images))
        progress.update(dict.fromkeys(which, upto))

    measure_on(candidates, 1)
    # The most promising go through all images first; from then on the bounds of the others hold for certain.
    finished = sorted(candidates, key=bound)[:wanted]
    measure_on(finished, len(slices))
    candidates = [i for i in candidates if i not in finished]
    while candidates:
        finished.sort(key=bound)
        candidates = [i for i in candidates if bound(i) < bound(finished[wanted - 1])]
        group = [i for i in candidates if progress[i] == progress[candidates[0]]]
        if group:
            measure_on(group, progress[group[0]] + 1)
        finished += [i for i in group if progress[i] == len(slices)]
        candidates = [i for i in candidates if progress[i] < len(slices)]
    return sorted(finished, key=bound)[:wanted]


def hardest_first(logits: Tensor) -> Tensor:
    """Indices of images, those first whose two largest of N×classes logits lie closest together."""
    two = logits.topk(min(2, logits.shape[1]), dim=1).values
    return torch.argsort(two[:, 0] - two[:, -1], stable=True)
