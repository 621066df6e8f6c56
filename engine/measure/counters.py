"""Parameters, multiply–accumulates and bytes of a network.

MACs are those of convolutions and linear layers, for one image, without biases: half of the floating point operations
that torch counts as it runs the network, whatever classes its modules are of.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from engine.measure.uncompiled import uncompiled


@dataclass(frozen=True)
class Counts:
    """`macs` of one image; `bytes` of the state dict's tensors, floating point ones stored as float32."""

    params: int
    macs: int
    bytes: int


def count(module: nn.Module, image: tuple[int, int, int]) -> Counts:
    """Counts of `module` for an image of shape (channels, height, width). `module` is not changed."""
    params = sum(p.numel() for p in module.parameters())
    size = sum(t.numel() * (4 if t.is_floating_point() else t.element_size()) for t in module.state_dict().values())
    return Counts(params=params, macs=_macs(module, image), bytes=size)


def _macs(module: nn.Module, image: tuple[int, int, int]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    scratch = copy.deepcopy(module).cpu().float().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad(), uncompiled(type(counter.mode)):
        scratch(torch.zeros(1, *image))
    return int(counter.get_total_flops()) // 2
