import copy

import pytest
import thop
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import nn

from engine.measure.counters import count


class Residual(nn.Module):
    def __init__(self, shortcut: nn.Module, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, channels, 3, stride=stride, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn(self.conv(x)) + self.shortcut(x))


def network() -> nn.Sequential:
    """Every kind of counted layer, and everything that other counters count although it is no convolution."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.PReLU(),
        Residual(nn.Sequential(), 8, 1),  # an empty container
        Residual(nn.Sequential(nn.Conv2d(8, 12, 1, stride=2)), 12, 2),
        nn.Conv2d(12, 12, 3, groups=12, bias=False),
        nn.Conv2d(12, 8, (1, 3), groups=4, dilation=2),
        nn.AvgPool2d(2),
        nn.ConvTranspose2d(8, 4, 2, stride=2),
        nn.Upsample(scale_factor=2),
        nn.GELU(),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.LayerNorm(24),
        nn.Linear(24, 5),
        nn.Softmax(dim=1),
    )


def test_a_three_by_three_convolution_costs_what_arithmetic_says():
    counts = count(nn.Conv2d(3, 16, 3, padding=1), (3, 32, 24))
    assert counts.macs == 3 * 3 * 3 * 16 * 32 * 24
    assert counts.params == 3 * 3 * 3 * 16 + 16
    assert counts.bytes == 4 * counts.params


def test_macs_are_those_that_thop_counts_for_the_layers_it_knows():
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 3, groups=4), nn.Flatten(), nn.Linear(192, 5)
    )
    macs, params = thop.profile(copy.deepcopy(module), inputs=(torch.zeros(1, 3, 8, 10),), verbose=False)
    counts = count(module, (3, 8, 10))
    assert (counts.macs, counts.params) == (macs, params)


def test_macs_are_those_of_a_layers_own_forward_whatever_class_it_extends():
    class Strided(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.conv2d(x, self.weight, self.bias, 2, 1)

    assert count(Strided(3, 16, 3), (3, 32, 24)).macs == 3 * 3 * 3 * 16 * 16 * 12


def test_bytes_are_those_of_the_tensors_in_a_safetensors_file():
    module = network()
    written = save(module.state_dict())
    header = 8 + int.from_bytes(written[:8], "little")
    assert count(module, (3, 16, 16)).bytes == len(written) - header
    assert count(module.double(), (3, 16, 16)).bytes == len(written) - header


def test_the_module_is_left_untouched_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]):
    module = network().train()
    module[1].eval()
    before, modes = {k: v.clone() for k, v in module.state_dict().items()}, [m.training for m in module.modules()]
    count(module, (3, 16, 16))
    after = module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [m.training for m in module.modules()] == modes
    assert not any(m._forward_hooks for m in module.modules())
    assert capfd.readouterr() == ("", "")
