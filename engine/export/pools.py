"""Adaptive average pools that ONNX can hold: it has none, and torch's exporter writes only those that divide evenly."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def with_exportable_pools(module: nn.Module) -> nn.Module:
    """The same network with its adaptive average pools replaced, sharing the weights of `module`."""
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return _Pool(module.output_size)
    twin = copy.copy(module)  # shares everything but the table of children
    twin._modules = {
        name: None if child is None else with_exportable_pools(child) for name, child in module._modules.items()
    }
    return twin


class _Pool(nn.Module):
    """`nn.AdaptiveAvgPool2d`; where the sizes do not divide, as a product with one constant matrix for each side."""

    def __init__(self, size: int | tuple[int | None, int | None] | None) -> None:
        super().__init__()
        self.size = size if isinstance(size, tuple) else (size, size)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[2]), int(x.shape[3])
        rows, columns = self.size[0] or height, self.size[1] or width
        if height % rows == 0 and width % columns == 0:
            return F.adaptive_avg_pool2d(x, (rows, columns))
        return bins(height, rows) @ x @ bins(width, columns).T


def bins(size: int, parts: int) -> Tensor:
    """float32 parts×size: row i averages the pixels ⌊i·size/parts⌋ to ⌈(i+1)·size/parts⌉ − 1, as torch does."""
    matrix = torch.zeros(parts, size)
    for i in range(parts):
        start, end = i * size // parts, -(-(i + 1) * size // parts)
        matrix[i, start:end] = 1 / (end - start)
    return matrix
