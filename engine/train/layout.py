"""In which order the values of a network lie in memory while it learns."""

import torch
from torch import nn

_BLOCK = 16  # channels that a processor takes at once, at most: 8 with AVX2, 16 with AVX-512


def layout_of(module: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last, which is quicker, but where a processor cannot learn so.

    oneDNN, which computes convolutions there, writes behind its own memory when it comes to the gradient of a strided
    1×1 convolution that reads fewer channels than it takes at once: weights come out wrong, or the process dies
    (oneDNN's issue 6035, open in torch 2.12). A shortcut gets so narrow by pruning.
    """
    is_unsafe = device.type == "cpu" and any(map(_is_narrow, module.modules()))
    return torch.contiguous_format if is_unsafe else torch.channels_last


def _is_narrow(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels < _BLOCK
    )
