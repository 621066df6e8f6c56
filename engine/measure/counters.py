"""Parameters, multiply–accumulates and bytes of a network.

MACs are those of convolutions and linear layers, for one image, without biases: thop counts them with rules of our
own, as its usual ones also count norms, activations and pools (4 operations per batch norm element).
"""

import copy
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # thop imports distutils
    from thop import profile

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


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
    scratch = copy.deepcopy(module).cpu().float()  # thop leaves buffers behind
    leaves = {type(m) for m in scratch.modules() if not list(m.children())}
    rules = {kind: _rule(kind) for kind in leaves if kind is not nn.Sequential}  # an empty Sequential is a shortcut
    macs, _ = profile(scratch, inputs=(torch.zeros(1, *image),), custom_ops=rules, verbose=False)
    return int(macs)


def _rule(kind: type[nn.Module]) -> Callable[[Any, Any, Tensor], None]:
    """thop's hook for a kind of module: takes (module, inputs, output), adds to the module's `total_ops`."""
    if issubclass(kind, _CONVOLUTIONS):
        return _count_convolution
    if issubclass(kind, _TRANSPOSED):
        return _count_transposed
    if issubclass(kind, nn.Linear):
        return _count_linear
    return _count_nothing


def _count_convolution(m: Any, inputs: Any, output: Tensor) -> None:
    m.total_ops += output.numel() * math.prod(m.weight.shape[1:])


def _count_transposed(m: Any, inputs: Any, output: Tensor) -> None:
    m.total_ops += inputs[0].numel() * math.prod(m.weight.shape[1:])


def _count_linear(m: Any, inputs: Any, output: Tensor) -> None:
    m.total_ops += output.numel() * m.in_features


def _count_nothing(m: Any, inputs: Any, output: Tensor) -> None:
    """Norms, activations and pools are not part of this definition of MACs."""
