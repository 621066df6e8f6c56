"""Optimal brain surgeon: what a channel costs once the others have made up for it. No labels, no gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.criteria.calibration import Calibration
from engine.criteria.declare import block_criterion, channel_criterion
from engine.errors import RequestError
from engine.graph.summary import Block

if TYPE_CHECKING:
    from engine.surgery.reconstruction.grams import Gram
    from engine.surgery.reconstruction.reference import Reference

SAMPLES = 8_192  # of what a layer reads; those that a refit takes, twice as many, rank no better
MOST_MACS = 10**9  # of a network of which rates are measured: of smaller ones it takes seconds, of larger ones minutes


@channel_criterion(
    "obs",
    label="Optimal brain surgeon",
    formula="tr(W_qᵀ((G⁻¹)_qq)⁻¹W_q)",
    source="Hassibi & Stork 1993",
    needs="activations",
)
def obs(calibration: Calibration) -> dict[int, float]:
    """What dropping a channel costs its readers, after the others have made up for it, summed over the readers.

    For each layer that reads the channel: tr(W_qᵀ ((G⁻¹)_qq)⁻¹ W_q), with G the ridged covariance of what it reads, q
    the channel's columns and W its weights with the batch norm behind folded in; over the variance of the value that
    its output ends in (Hassibi & Stork 1993; for groups Frantar & Alistarh 2022, Kurtić et al. 2023). Scores are those
    of channels that go one after the other, the cheapest first: what a channel costs once those with lower scores that
    the same layers read are gone. A depthwise convolution hands the channel on to its readers. What nobody reads costs
    nothing. Where the network will be refitted, and has no more than `MOST_MACS`, a cost counts by the rate at which it
    comes through to the outputs.
    """
    import numpy as np

    from engine.surgery.reconstruction.elimination import ChannelCosts
    from engine.surgery.reconstruction.grams import measure_grams
    from engine.surgery.reconstruction.least_squares import RIDGE
    from engine.surgery.reconstruction.refit import are_alike

    trace = calibration.trace
    produced = np.unique(np.concatenate([layer.outs for layer in trace.layers.values()]))
    scores = {i: 0.0 for i in produced.tolist() if i not in trace.frozen}
    removable = np.array(list(scores), dtype=np.int64)
    readers = [n for n, x in trace.layers.items() if x.kind != "depthwise" and np.isin(x.ins, removable).any()]
    costs = ChannelCosts({name: trace.layers[name] for name in readers}, scores, RIDGE)
    images = calibration.unlabelled_images()
    if are_alike(images):
        sentence = f"obs compares images and has {len(images):,}, all alike; give it several that differ, or choose l1"
        raise RequestError(sentence, field="criterion")
    count, reference = calibration.samples or SAMPLES, calibration.reference
    rates = (
        None if reference is None or reference.structure.summary.macs > MOST_MACS else _Rates(calibration, reference)
    )
    for gram in measure_grams(trace, images, readers, calibration.seed, count=count, reference=reference):
        scores |= costs.take(gram)
        if rates is not None:
            rates.take(gram)
    return scores if rates is None else rates.applied_to(scores)


class _Rates:
    """By how much what a channel's readers lose comes through to the outputs of a network that is refitted."""

    def __init__(self, calibration: Calibration, reference: Reference) -> None:
        from engine.criteria.reconstruction.trials import Trials
        from engine.surgery.reconstruction.least_squares import RIDGE

        self._grams: dict[str, Gram] = {}
        self._members, self._layers = reference.structure.members, reference.structure.trace.layers
        structure, module, images = reference.structure, calibration.module, reference.images
        self._trials = Trials(structure, module, images, RIDGE, calibration.seed, lambda _: self._grams)
        self._asked = self._trials.layers

    def take(self, gram: Gram) -> None:
        """Moments that a trial asks for are kept."""
        if gram.layer in self._asked:
            self._grams[gram.layer] = gram

    def applied_to(self, scores: Mapping[int, float]) -> dict[int, float]:
        """Each score times the rate of the layers that read the channel, the mean of several."""
        import numpy as np

        mixing = {name: layer for name, layer in self._layers.items() if layer.kind != "depthwise"}
        rates = dict.fromkeys(scores, 1.0)
        for members in self._members:
            if int(members[0]) in scores:
                found = [self._trials.rate(name) for name, x in mixing.items() if np.isin(x.ins, members).any()]
                rates |= dict.fromkeys(members.tolist(), float(np.mean(found)) if found else 1.0)
        return {i: score * rates[i] for i, score in scores.items()}


@block_criterion("obs")
def obs_of_blocks(calibration: Calibration, blocks: list[Block]) -> dict[str, float]:
    """The share of the variance at a block's end that the layer before the block cannot reproduce when refitted.

    Scores are those of blocks that go one after the other, the cheapest first: what the block costs once those with
    lower scores are gone, as one layer takes over all that are removed in a row behind it. Where no layer before a
    block can be refitted, what the block adds to its input counts in full.
    """
    from engine.criteria.reconstruction.leftover import Leftover
    from engine.graph.summarize import summarize
    from engine.surgery.reconstruction.least_squares import RIDGE

    images = calibration.unlabelled_images()
    channels, height, width = images.shape[1:]
    structure = summarize(calibration.module, (channels, height, width))
    leftover = Leftover(structure, calibration.module, images, RIDGE, calibration.seed)
    return leftover.block_scores([block.name for block in blocks])
