"""The cost of a model of the catalogue, told by arithmetic, is what torch counts."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.graph.cost import cost
from engine.graph.summarize import summarize
from engine.graph.summary import ModelSummary
from engine.spec import catalog
from engine.zoo.build import on_meta
from tests.support.places import WHOLE_ZOO

CLASSES = 10
# One of each family, and the other kinds of blocks that there are in one; their larger sisters repeat those.
EACH_KIND = (
    *("resnet20", "resnet20-a", "vgg16_bn", "mobilenet_v2"),
    *(f"torchvision/{family}" for family in catalog.TORCHVISION_FAMILIES),
    *("torchvision/vgg11", "torchvision/shufflenet_v2_x0_5", "torchvision/mobilenet_v3_small"),
)


@pytest.mark.parametrize("name", catalog.MODELS if WHOLE_ZOO else EACH_KIND)
def test_macs_and_parameters_are_those_that_torch_counts(name: str) -> None:
    size = 32 if name in catalog.CIFAR_MODELS else 128
    module = on_meta(name, CLASSES)
    summary = summarize(module, (3, size, size), name).summary
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.empty(1, 3, size, size, device="meta"))
    assert summary.macs == counter.get_total_flops() // 2
    assert summary.params == sum(p.numel() for p in module.parameters())


def test_published_sizes_of_option_a_resnets() -> None:
    for name, macs, removable in (("resnet20-a", 40.55e6, 7), ("resnet56-a", 125.5e6, 25)):
        summary = summarize(on_meta(name, 10), (3, 32, 32), name).summary
        assert summary.macs == pytest.approx(macs, rel=1e-3)
        assert sum(block.removable for block in summary.blocks) == removable


def test_a_sheet_survives_json() -> None:
    summary = summarize(on_meta("mobilenet_v2", 10), (3, 32, 32), "mobilenet_v2").summary
    again = ModelSummary.from_json(json.loads(json.dumps(summary.to_json())))
    assert again == summary
    assert cost(again, removed=["features.3"]) == cost(summary, removed=["features.3"])
