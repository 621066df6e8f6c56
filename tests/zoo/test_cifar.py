"""The networks for small images: shapes, sizes, names and traces."""

import pytest
import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from engine.zoo import build as zoo
from engine.zoo.cifar import PadShortcut, resnet
from engine.zoo.families.cifar import DEPTHS


def macs(module: nn.Module, side: int) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.empty(1, 3, side, side, device="meta"))
    return float(counter.get_total_flops()) / 2


@pytest.mark.parametrize(("depth", "millions"), [(20, 40.55), (56, 125.49)])
def test_option_a_resnets_have_the_published_macs(depth: int, millions: float) -> None:
    assert macs(zoo.on_meta(f"resnet{depth}-a", 10), 32) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_resnet_has_as_many_weight_layers_as_its_name_says(depth: int) -> None:
    layers = [p for p in zoo.on_meta(f"resnet{depth}-a", 10).modules() if isinstance(p, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


@pytest.mark.parametrize("side", [16, 24, 32])
@pytest.mark.parametrize("name", ["resnet20", "resnet20-a", "vgg16_bn", "mobilenet_v2"])
def test_every_small_network_takes_images_from_16_px_and_traces(name: str, side: int) -> None:
    module = zoo.on_meta(name, 7)
    traced = fx.symbolic_trace(module)
    assert traced(torch.empty(2, 3, side, side, device="meta")).shape == (2, 7)


def test_the_padded_shortcut_takes_every_second_pixel_between_zero_channels() -> None:
    x = torch.arange(2 * 4 * 4, dtype=torch.float32).view(1, 2, 4, 4) + 1
    y = PadShortcut(before=1, after=3, stride=2)(x)
    assert y.shape == (1, 6, 2, 2)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert y[:, [0, 3, 4, 5]].abs().sum() == 0


def test_only_shape_changing_blocks_have_a_shortcut_with_work_to_do() -> None:
    kinds = {n: type(p).__name__ for n, p in resnet(20, 10, "padded").named_modules() if n.endswith("shortcut")}
    assert [n for n, kind in kinds.items() if kind == "PadShortcut"] == ["layer2.0.shortcut", "layer3.0.shortcut"]
    assert set(kinds.values()) == {"PadShortcut", "Identity"}


def test_vgg_is_thirteen_named_units() -> None:
    module = zoo.on_meta("vgg16_bn", 10)
    units = [name for name, part in module.named_modules() if type(part).__name__ == "Unit"]
    assert len(units) == 13
    assert units[0] == "features.0"
    assert isinstance(module.get_submodule("features.0.conv"), nn.Conv2d)


def test_mobilenet_has_a_skip_wherever_the_shape_stays() -> None:
    blocks = [p for p in zoo.on_meta("mobilenet_v2", 10).modules() if type(p).__name__ == "InvertedResidual"]
    assert len(blocks) == 17
    assert sum(bool(block.skip) for block in blocks) == 10
