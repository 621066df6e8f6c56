"""The question asked the other way round: the smallest network that keeps an accuracy, and how sure that is.

Bisection over the ratio that is kept, for each criterion and each split between layers and channels that the request
names; every try is cut, refitted and measured on validation images. Recovery comes once, for the network that was
found, and so does the test split.
"""

import torch
from torch import Tensor

from engine.errors import RequestError
from engine.pipeline import recovery
from engine.pipeline.duration.length import SEARCH
from engine.pipeline.network import Network
from engine.pipeline.reconstruction import Reconstructor
from engine.pipeline.recorder import Recorder
from engine.pipeline.select import Baseline
from engine.pipeline.smallest.bisection import APART, first_beyond, last_place
from engine.pipeline.smallest.candidate import Candidate, candidates
from engine.pipeline.smallest.tries import Tries
from engine.pipeline.step import Standing, StepKey
from engine.spec import phases
from engine.statistics.counts import paired_loss
from engine.storage.records.point import Answer, Point
from engine.train.distil import Teacher
from engine.train.evaluate import hits


def find(
    recorder: Recorder,
    baseline: Baseline,
    untouched: Network,
    reconstructor: Reconstructor | None,
    teacher: Teacher | None,
) -> Network:
    """The smallest network that keeps the accuracy that the run asks for, recovered, and measured as its last point.

    RequestError when the untouched network has not that accuracy, when any may be lost, and when nothing keeps it.
    """
    first = recorder.points()[0]
    least = recorder.spec.target.least_accuracy(first.val_top1)
    _check_wish(recorder, first, least)
    tries = Tries(recorder, baseline, untouched, reconstructor, least)
    _search(tries)
    best = tries.best()
    if best is None:
        raise _refusal(tries, first)
    recorder.pass_units(SEARCH)
    recovers = phases.ends_with_recovery(recorder.spec, best.phase)
    key = StepKey("recovered" if recovers else tries.stage, best.phase, best.keep)

    def work(number: int) -> Network:
        network = tries.network_of(best)
        recorder.reconstruction = best.reconstruction
        if recovers:
            recovery.fine_tune_phase(recorder, key, network, number, teacher)
        return network

    def standing(network: Network, _: float) -> Standing:
        answer = _answer(recorder, tries, untouched, network)
        return Standing(
            final=True,
            criterion=best.criterion,
            depth_share=best.depth_share,
            answer=answer,
            note=_in_words(recorder, answer, best),
        )

    return recorder.step(key, 1 + recorder.spec.recover.epochs, work, standing)


def _search(tries: Tries) -> None:
    """Look for the last place of each candidate; later ones begin where those before them have come to."""
    reached = 0
    for candidate in candidates(tries.recorder.spec):

        def holds(place: int, candidate: Candidate = candidate) -> bool:
            return tries.holds(candidate, place)

        if not reached:
            reached = last_place(holds)
        elif (beyond := first_beyond(holds, reached)) is not None:
            reached = last_place(holds, beyond, 1)


def _answer(recorder: Recorder, tries: Tries, untouched: Network, network: Network) -> Answer:
    """How the network stands on validation images, beside the untouched one on the very same."""
    before, after = (_hits(recorder, each) for each in (untouched, network))
    loss = paired_loss(int((before & ~after).sum()), int((after & ~before).sum()), len(before))
    assert loss.low is not None and loss.high is not None
    return Answer(
        tries=len(tries.all()), images=loss.n, least=tries.least, lost=loss.mean, low=loss.low, high=loss.high
    )


def _hits(recorder: Recorder, network: Network) -> Tensor:
    return hits(network.module, recorder.data.val, recorder.data, recorder.device)


def _in_words(recorder: Recorder, answer: Answer, best: Point) -> str:
    among = len(candidates(recorder.spec)) > 1
    by = f", by {_text_of(recorder, best)}" if among else ""
    count = "the only try" if answer.tries == 1 else f"the smallest of {answer.tries} tries"
    return (
        f"{count}, {1 - APART:.0%} apart, that keeps {answer.least:.1%}{by}: it loses {100 * answer.lost:.1f} points "
        f"on {answer.images:,} validation images (95 % interval {100 * answer.low:.1f} to {100 * answer.high:.1f}), "
        "and was chosen by them"
    )


def _text_of(recorder: Recorder, point: Point) -> str:
    """What a try was made with, as a sentence has it."""
    share = f", layers' share {point.depth_share:g}" if len(recorder.spec.phases()) > 1 else ""
    return f"{point.criterion}{share}"


def _check_wish(recorder: Recorder, baseline: Point, least: float) -> None:
    """RequestError for an accuracy that the untouched network has not, or that guessing has, too."""
    field, value = _wish(recorder)
    if least > baseline.val_top1:
        raise RequestError(
            f"{field} {value:g} lies above the untouched network's validation accuracy, {baseline.val_top1:.4f}, "
            "which pruning does not raise; ask for less",
            field=field,
        )
    labels = recorder.data.val.labels
    chance = int(torch.bincount(labels).max()) / len(labels)
    if least <= chance:
        raise RequestError(
            f"{field} {value:g} asks for a validation accuracy of {max(least, 0.0):.4f} where the untouched network "
            f"has {baseline.val_top1:.4f} and naming the commonest class gives {chance:.4f}; ask for more than that",
            field=field,
        )


def _refusal(tries: Tries, baseline: Point) -> RequestError:
    """What can be had where the wish cannot."""
    field, value = _wish(tries.recorder)
    best = max(tries.all(), key=lambda point: (point.val_top1, -tries.cost(point)), default=None)
    metric = tries.recorder.spec.target.metric
    if best is None:
        sentence = f"{field} {value:g} cannot be met: by the rules of the request nothing of the {metric} can go"
        return RequestError(sentence, field=field)
    lost = 100 * (baseline.val_top1 - best.val_top1)
    share = tries.cost(best) / tries.cost(baseline)
    return RequestError(
        f"{field} {value:g} cannot be met: of {len(tries.all())} networks tried, the smallest loss was {lost:.2f} "
        f"points of validation accuracy ({baseline.val_top1:.4f} to {best.val_top1:.4f}), at {share:.3f}× the {metric} "
        f"by {_text_of(tries.recorder, best)}; ask for that, or try another criterion",
        field=field,
    )


def _wish(recorder: Recorder) -> tuple[str, float]:
    """The field that says what accuracy to keep, and its value."""
    target = recorder.spec.target
    if target.lose is not None:
        return "target.lose", target.lose
    assert target.at_least is not None
    return "target.at_least", target.at_least
