"""Attempts on strangers' networks measure what the masked network gives."""

import numpy as np
import pytest
import torch

from engine.criteria.attempts.shared_prefix import Attempt, SharedPrefix
from engine.criteria.calibration import Calibration
from engine.criteria.registry import score_channels
from engine.graph.summarize import summarize
from engine.surgery.cut import masked_copy
from tests.support.strangers import IMAGE, KINDS

IMAGES = torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(0))
READERS = ("channel and spatial attention", "ConvNeXt", "normalised", "layer norm, own forward", "same padding")
OTHERS = ("group norm of one group", "hourglass", "one dimension", "registered twice", "batch norm, own forward")


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("name", [*READERS, *OTHERS])
def test_an_attempt_gives_what_the_masked_network_gives(name: str, folded: bool) -> None:
    torch.manual_seed(0)
    module = KINDS[name]().eval()
    structure = summarize(module, IMAGE, name)
    halves = {c: np.arange(g.size // 2) for c, g in enumerate(structure.summary.channel_groups) if g.removable}
    dropped = [structure.identities_at({c: places}) for c, places in halves.items()]
    prefix = SharedPrefix(structure.trace, torch.device("cpu"), folded=folded)
    ablations = [prefix.prepare(Attempt(str(i), dropped=ids)) for i, ids in enumerate(dropped)]
    with torch.inference_mode():
        outputs = {i: output.logits.clone() for i, output in prefix.outputs(IMAGES, ablations)}
        expected = [masked_copy(module, structure.trace, ids)(IMAGES) for ids in dropped]
        torch.testing.assert_close(outputs[None], module(IMAGES), atol=1e-5, rtol=1e-4)
    for i, logits in enumerate(expected):
        torch.testing.assert_close(outputs[i], logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("criterion", ["l1", "fpgm", "lamp", "taylor", "obd", "activation"])
def test_filters_of_transposed_and_of_functional_layers_are_scored_by_output_channel(criterion: str) -> None:
    torch.manual_seed(0)
    for name in ("hourglass", "same padding", "one dimension"):
        module = KINDS[name]().eval()
        structure = summarize(module, IMAGE, name)

        def batches():  # type: ignore[no-untyped-def]
            return iter([(IMAGES, torch.tensor([0, 1, 2, 0]))])

        calibration = Calibration(module, structure.trace, batches, torch.device("cpu"), 0)
        scores = score_channels(calibration, criterion)
        assert set(scores) == {int(i) for layer in structure.trace.layers.values() for i in layer.outs}


def test_l1_of_a_grouped_transposed_convolution_is_that_of_each_output_channel() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 1), torch.nn.ConvTranspose2d(6, 4, 2, groups=2))
    traced = summarize(module, IMAGE, "up").trace
    weight = module[1].weight.detach()
    rows = traced.layers["1"].filters(weight)
    by_hand = [weight[:3, 0], weight[:3, 1], weight[3:, 0], weight[3:, 1]]
    assert torch.equal(rows, torch.stack([part.flatten() for part in by_hand]))
