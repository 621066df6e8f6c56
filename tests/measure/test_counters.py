import pytest
import torch
from safetensors.torch import save
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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
    """Every kind of counted layer, and everything that thop's usual rules count although it is no convolution."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.PReLU(),
        Residual(nn.Sequential(), 8, 1),  # an empty container: thop meets the same type with and without children
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


def test_macs_are_half_the_flops_that_torch_counts():
    module = network().eval()
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        module(torch.zeros(1, 3, 16, 20))
    assert count(module, (3, 16, 20)).macs == flops.get_total_flops() / 2


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
