"""Reading as if some channels were not there: what a cut must equal, and what an attempt measures."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedLayerNorm(nn.Module):
    """Normalises over the kept channels only, as the cut network does."""

    def __init__(self, norm: nn.LayerNorm, kept: Tensor, dim: int) -> None:
        super().__init__()
        self.norm, self.kept, self.dim = norm, kept, dim

    def forward(self, x: Tensor) -> Tensor:
        part = x.index_select(self.dim, self.kept).movedim(self.dim, -1)
        weight = None if self.norm.weight is None else self.norm.weight[self.kept]
        bias = None if self.norm.bias is None else self.norm.bias[self.kept]
        part = F.layer_norm(part, (len(self.kept),), weight, bias, self.norm.eps).movedim(-1, self.dim)
        return torch.zeros_like(x).index_copy(self.dim, self.kept, part)
