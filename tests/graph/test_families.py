"""The torchvision CNN families: traced, cut by 30 %, equal to the masked network, replayed, exported."""

import copy

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

from engine.criteria.calibration import Calibration
from engine.criteria.registry import score_channels
from engine.export import onnx
from engine.graph.summarize import Structure, summarize
from engine.graph.trace import trace
from engine.measure.counters import count
from engine.spec.catalog import TORCHVISION_FAMILIES
from engine.surgery import cut as surgery
from engine.surgery import plan
from engine.zoo.build import construct
from tests.support.oracle import grouped_layers, our_groups, torch_pruning_groups
from tests.support.places import WHOLE_ZOO

SMALL = ("resnet20", "resnet20-a", "vgg16_bn", "mobilenet_v2")
CLASSES = 10
NETWORKS = (*SMALL, *(f"torchvision/{family}" for family in TORCHVISION_FAMILIES))
# Twice the width of ResNet-50, the RegNet without squeeze-and-excitation, what the smaller images have, too, and what
# consists of blocks that smaller ones have: those of EfficientNet-B0, and the grouped ones of a RegNet.
REPEATED = {
    f"torchvision/{family}"
    for family in (
        *("wide_resnet50_2", "resnet50", "regnet_x_400mf", "vgg16_bn", "mobilenet_v2"),
        *("efficientnet_v2_s", "resnext50_32x4d"),
    )
}


def image_of(name: str) -> tuple[int, int, int]:
    return (3, 32, 32) if name in SMALL else (3, 96, 96)


def lively(name: str) -> nn.Module:
    """The network with norms that carry signal: freshly initialised deep ones give out little but their biases."""
    torch.manual_seed(0)
    module = construct(name, CLASSES)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = None
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.bias, -0.2, 0.2)
    with torch.no_grad():
        module.train()(torch.randn(4, *image_of(name)))
    return module.eval()


def uniform_cut(module: nn.Module, structure: Structure, share: float) -> frozenset[int]:
    """The lowest `share` of every cell by L1."""
    unused = Calibration(module, structure.trace, lambda: iter(()), torch.device("cpu"), 0)
    scores = score_channels(unused, "l1")
    channel_groups = {
        c: np.argsort([scores[int(i)] for i in ids], kind="stable")[: int(share * len(ids))]
        for c, ids in enumerate(structure.members)
        if structure.summary.channel_groups[c].removable
    }
    return structure.identities_at(channel_groups)


@pytest.mark.parametrize("name", NETWORKS if WHOLE_ZOO else [name for name in NETWORKS if name not in REPEATED])
def test_a_30_percent_cut_equals_the_masked_network_replays_and_exports(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    image = image_of(name)
    module = lively(name)
    structure = summarize(module, image, name)
    counts = count(module, image)
    assert (structure.summary.macs, structure.summary.params) == (counts.macs, counts.params)

    gone = uniform_cut(module, structure, 0.3)
    assert gone
    step = plan.channel_step(structure.trace, gone)
    cut = copy.deepcopy(module)
    plan.apply(step, cut, structure)
    images = torch.randn(2, *image)
    with torch.no_grad():
        assert module(images).std(0).max() > 1e-3, "outputs that do not depend on the image show nothing"
    assert surgery.check_equal(surgery.masked_copy(module, structure.trace, gone), cut, images) <= 1e-4
    smaller = summarize(cut, image, name).summary
    assert smaller.macs < 0.9 * structure.summary.macs
    assert smaller.macs == count(cut, image).macs

    saved = plan.Plan.from_json(plan.Plan(name, CLASSES, image, (step,)).to_json())
    again = plan.replay(saved, copy.deepcopy(module)).state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in cut.state_dict().items())
    assert again.keys() == cut.state_dict().keys()

    onnx.export(cut, image, tmp_path / "cut.onnx")
    session = ort.InferenceSession(str(tmp_path / "cut.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input": images.numpy()})
    with torch.no_grad():
        expected = cut(images).numpy()
    assert np.abs(logits - expected).max() <= 1e-3 * np.abs(expected).max()


# Torch-Pruning cannot trace ShuffleNet's split, and takes a padded shortcut for one that starts at channel 0.
HANDLED = [name for name in NETWORKS if name not in ("resnet20-a", "torchvision/shufflenet_v2_x1_0")]


# Sums, concatenations, squeeze-and-excitation, grouped convolutions and layer norm, each in the smallest that has it.
EACH_KIND = (
    *("resnet20", "vgg16_bn", "mobilenet_v2"),
    *(
        f"torchvision/{name}"
        for name in (
            *("resnet18", "squeezenet1_0", "googlenet", "mobilenet_v3_large", "regnet_y_400mf", "convnext_tiny"),
            *("mnasnet1_0", "efficientnet_b0"),
        )
    ),
)


@pytest.mark.parametrize("name", HANDLED if WHOLE_ZOO else [name for name in HANDLED if name in EACH_KIND])
def test_channels_that_go_together_are_those_that_torch_pruning_groups(name: str) -> None:
    """Where a grouped convolution is fed or read, Torch-Pruning ties the groups later: its group is a part of ours."""
    module = construct(name, CLASSES).eval()
    ours, theirs = our_groups(module, image_of(name)), torch_pruning_groups(module, image_of(name))
    grouped = grouped_layers(module)
    layers = trace(module, image_of(name)).layers
    tied_by_position = {i for g in grouped for i in (*layers[g].ins.tolist(), *layers[g].outs.tolist())}
    assert ours.keys() == theirs.keys()
    for channel, group in theirs.items():
        if int(layers[channel[0]].outs[channel[1]]) in tied_by_position:
            assert group <= ours[channel]
        else:
            assert group == ours[channel]


def test_a_padded_shortcut_starts_at_the_padded_channel() -> None:
    groups = our_groups(construct("resnet20-a", CLASSES).eval(), (3, 32, 32))
    assert ("layer2.0.conv2", 8) in groups["conv1", 0]
    assert ("layer3.0.conv2", 16 + 8) in groups["conv1", 0]
