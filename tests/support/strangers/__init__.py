"""Small networks as strangers write them: one for each kind of operation. Images are 3×8×8, classes 3."""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from tests.support.strangers.layers import (
    CBAM,
    BatchNormAct,
    ConvNeXtBlock,
    GroupNormAct,
    LayerNormFirst,
    LayerScale,
    OverriddenConv,
    OwnParameters,
    Registered,
    ReZero,
    SameConv,
    SelectiveKernel,
    SharedLayerNorm,
    SharedNorm,
    SpatialGate,
    SqueezeExcite,
    Weighted,
)
from tests.support.strangers.net import CLASSES, IMAGE, WIDTH, Net, after, doing
from tests.support.strangers.shapes import (
    Einsum,
    Flattened,
    Focus,
    Halves,
    Hourglass,
    OneDimensional,
    OptionA,
    PixelShuffled,
    Shuffled,
)

__all__ = ["CLASSES", "IMAGE", "KINDS", "WIDTH", "Net", "after", "doing"]

_ACTIVATIONS = (nn.CELU, nn.SELU, nn.Softsign, nn.LogSigmoid, nn.Hardshrink, nn.Softshrink, nn.Tanhshrink, nn.Mish)

KINDS: dict[str, type[Net]] = {
    "group norm": after(lambda: nn.Conv2d(8, 12, 3), lambda: nn.GroupNorm(4, 12), nn.ReLU, width=12),
    "group norm of one group": after(lambda: nn.Conv2d(8, 12, 3), lambda: nn.GroupNorm(1, 12), width=12),
    "group norm, own forward": after(lambda: nn.Conv2d(8, 12, 3), lambda: GroupNormAct(3, 12), width=12),
    "instance norm": after(
        lambda: nn.InstanceNorm2d(8, affine=True), lambda: nn.InstanceNorm2d(8, track_running_stats=True)
    ),
    "synchronised batch norm": after(lambda: nn.SyncBatchNorm(8)),
    "batch norm, own forward": after(lambda: nn.Conv2d(8, 12, 1), lambda: BatchNormAct(12), width=12),
    "frozen batch norm": after(lambda: nn.Conv2d(8, 12, 1), lambda: FrozenBatchNorm2d(12), width=12),
    "layer norm, own forward": after(lambda: nn.Conv2d(8, 12, 1), lambda: LayerNormFirst(12), width=12),
    "same padding": after(lambda: SameConv(8, 12, 3, 2), lambda: SameConv(12, 12, 5, groups=12), width=12),
    "overridden inside": after(lambda: OverriddenConv(8, 12, 3), width=12),
    "own parameters": after(lambda: OwnParameters(8, 12), nn.PReLU, lambda: nn.PReLU(12), width=12),
    "activations": after(*_ACTIVATIONS, lambda: nn.Threshold(0.1, 0.2), nn.Softmax2d, nn.RReLU),
    "padding": after(lambda: nn.ZeroPad2d(1), lambda: nn.ReflectionPad2d((1, 0, 2, 1)), lambda: nn.CircularPad2d(1)),
    "resizing": after(lambda: nn.Upsample(scale_factor=2, mode="bicubic"), lambda: nn.Upsample((9, 7))),
    "turned": doing(lambda x: torch.rot90(torch.flip(x, (1, 3)), 1, (2, 3)) + torch.roll(x, 1, 2)),
    "normalised": doing(lambda x: F.normalize(x, dim=1) + F.log_softmax(x, 1) + F.softmax(x.flatten(2), -1).view_as(x)),
    "reduced": doing(
        lambda x: x - x.amax(1, keepdim=True) + x.std(1, keepdim=True, unbiased=False) * x.var((2, 3), keepdim=True)
    ),
    "stacked": doing(lambda x: torch.stack([x, x * 2, x.abs()], 2).max(2).values + torch.stack([x, x], -1)[..., 0]),
    "rows side by side": doing(lambda x: torch.cat([x, x.flip(2)], 2).unflatten(2, (2, -1)).sum(2)),
    "squared": doing(lambda x: torch.where(x > 0.1, x**2, torch.exp(-x)) + torch.maximum(x, x.sqrt())),
    "shared norm": SharedNorm,
    "shared layer norm": SharedLayerNorm,
    "learned scalars": ReZero,
    "layer scale": LayerScale,
    "spatial gate": SpatialGate,
    "channel and spatial attention": CBAM,
    "squeeze and excite": SqueezeExcite,
    "selective kernel": SelectiveKernel,
    "ConvNeXt": ConvNeXtBlock,
    "hourglass": Hourglass,
    "one dimension": OneDimensional,
    "shuffled": Shuffled,
    "halves": Halves,
    "pixel shuffle": PixelShuffled,
    "focus": Focus,
    "padded shortcut": OptionA,
    "einsum": Einsum,
    "weighted branches": Weighted,
    "registered twice": Registered,
    "flattened": Flattened,
}
