"""Optimal brain surgeon: what a channel costs once the others have made up for it. No labels, no gradients."""

from __future__ import annotations

from engine.criteria.calibration import Calibration
from engine.criteria.declare import block_criterion, channel_criterion
from engine.errors import RequestError
from engine.graph.summary import Block

SAMPLES = 8_192  # of what a layer reads; those that a refit takes, twice as many, rank no better


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
    nothing.
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
    for gram in measure_grams(trace, images, readers, calibration.seed, count=count, reference=reference):
        scores |= costs.take(gram)
    return scores


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
