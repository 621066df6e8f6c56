"""Racing attempts: the best ones, without measuring the others to the end.

Errors, loss and divergence only add up. What an attempt has gathered on some of the images is a lower bound of its
total, whatever the other images hold (branch and bound: Land & Doig 1960). So an attempt can be dropped, for certain
and not merely with some confidence, once `count` others have been measured to the end and lie below its bound. A race
gives exactly the selection that measuring everything gives.

The bound closes early because the images that the current network is least sure of come first: there an attempt
gathers most of its harm.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.criteria.attempts.evaluator import AttemptEvaluator
from engine.spec.parts import ExactMeasure
from engine.spec.run import check_race

SLICE = 48  # images; smaller ones drop attempts sooner, larger ones run faster each


def find_best(attempts: AttemptEvaluator, measure: ExactMeasure, savings: Sequence[float], count: int) -> list[int]:
    """The `count` attempts with the smallest rise of `measure` per unit saved, best first; ties by position.

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

    def measure_on(indices: Sequence[int], stop: int) -> None:
        """Bring attempts that stand at the same slice to `stop`; the first ones measure the current network, too."""
        for part in slices[progress[indices[0]] : stop]:
            attempts.measure_more(indices, part, include_current=attempts.before.total < len(attempts.images))
        progress.update(dict.fromkeys(indices, stop))

    measure_on(candidates, 1)
    # The most promising go through all images first; from then on the bounds of the others hold for certain.
    finalists = sorted(candidates, key=bound)[:count]
    measure_on(finalists, len(slices))
    candidates = [i for i in candidates if i not in finalists]
    while candidates:
        finalists.sort(key=bound)
        candidates = [i for i in candidates if bound(i) < bound(finalists[count - 1])]
        group = [i for i in candidates if progress[i] == progress[candidates[0]]]
        if group:
            measure_on(group, progress[group[0]] + 1)
        finalists += [i for i in group if progress[i] == len(slices)]
        candidates = [i for i in candidates if progress[i] < len(slices)]
    return sorted(finalists, key=bound)[:count]


def hardest_first(logits: Tensor) -> Tensor:
    """Indices of images, those first whose two largest of N×classes logits lie closest together."""
    top_two = logits.topk(min(2, logits.shape[1]), dim=1).values
    return torch.argsort(top_two[:, 0] - top_two[:, -1], stable=True)
