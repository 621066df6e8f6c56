"""Networks for small images (16 px and up): CIFAR ResNets, VGG-16-BN and MobileNetV2.

Every convolution and every normalisation is a module of its own with a stable name, so that channels and
blocks can be named, masked and cut. All networks take N×3×H×W float32 and give N×classes logits.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from engine.graph.channel_ids import Padding
from engine.graph.propagation import Propagation
from engine.graph.rules.registry import module_rule

Shortcut = Literal["projection", "padded"]

_VGG16_UNITS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# expansion, channels, repeats, stride of the first: the paper's table with the first strides at 1, for small images
_MOBILENET_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class PadShortcut(nn.Module):
    """A parameter-free (option A) shortcut: every `stride`-th pixel, with zero channels on both sides.

    Takes N×C×H×W and gives N×(before + C + after)×⌈H/stride⌉×⌈W/stride⌉. Source: He et al. 2016, section 4.2.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = before, after, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}, stride={self.stride}"


@module_rule(PadShortcut)
def _follow_shortcut(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> Tensor:
    """Channels go through to their places among the zeros (a rule of `engine.graph.rules`)."""
    module, x = p.module(node), args[0]
    before, after = p.ids.fresh(module.before), p.ids.fresh(module.after)
    p.paddings[str(node.target)] = Padding(str(node.target), before.numpy(), after.numpy())
    x = x[:, :, :: module.stride, :: module.stride]
    return torch.cat([before, p.channel_vector(x, 1, node), after])[None, :, None, None].expand(
        x.shape[0], -1, *x.shape[2:]
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016)."""

    def __init__(self, width_in: int, width: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = _shortcut(width_in, width, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x))


class CifarResNet(nn.Module):
    """ResNet for small images: three stages of 16, 32 and 64 channels, `depth` = 6n + 2 (He et al. 2016)."""

    def __init__(self, depth: int, classes: int, shortcut: Shortcut) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, 1, shortcut)
        self.layer2 = _stage(16, 32, blocks, 2, shortcut)
        self.layer3 = _stage(32, 64, blocks, 2, shortcut)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.fc(self.pool(x).flatten(1))
        return logits


class Unit(nn.Module):
    """Convolution, batch normalisation, activation."""

    def __init__(
        self, width_in: int, width: int, act: nn.Module, *, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y


class Vgg16(nn.Module):
    """VGG-16-BN for small images: 13 units, pools between its five groups, one linear layer (Li et al. 2017).

    The last pool is global, so that 16 px and 24 px images fit too.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width_in = 3
        for group, widths in enumerate(_VGG16_UNITS):
            if group:
                layers.append(nn.MaxPool2d(2))
            for width in widths:
                layers.append(Unit(width_in, width, nn.ReLU()))
                width_in = width
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width_in, classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logits


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; a skip where the shape stays (Sandler et al. 2018)."""

    def __init__(self, width_in: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = width_in * expansion
        expand = [Unit(width_in, hidden, nn.ReLU6(), kernel=1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand,
            Unit(hidden, hidden, nn.ReLU6(), stride=stride, groups=hidden),
            nn.Conv2d(hidden, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.skip = stride == 1 and width_in == width

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.skip else y


class MobileNetV2(nn.Module):
    """MobileNetV2 for small images: the stem and the second stage keep the resolution (Sandler et al. 2018)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [Unit(3, 32, nn.ReLU6())]
        width_in = 32
        for expansion, width, repeats, first_stride in _MOBILENET_STAGES:
            for repeat in range(repeats):
                layers.append(InvertedResidual(width_in, width, 1 if repeat else first_stride, expansion))
                width_in = width
        layers.append(Unit(width_in, 1280, nn.ReLU6(), kernel=1))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(1280, classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logits


def resnet(depth: int, classes: int, shortcut: Shortcut = "projection") -> CifarResNet:
    """ResNet-`depth` (20, 32, 44, 56, 110) with projection or padded (option A) shortcuts."""
    return CifarResNet(depth, classes, shortcut)


def vgg16_bn(classes: int) -> Vgg16:
    """VGG-16-BN for small images."""
    return Vgg16(classes)


def mobilenet_v2(classes: int) -> MobileNetV2:
    """MobileNetV2 for small images."""
    return MobileNetV2(classes)


def _stage(width_in: int, width: int, blocks: int, stride: int, shortcut: Shortcut) -> nn.Sequential:
    first = BasicBlock(width_in, width, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(width, width, 1, shortcut) for _ in range(blocks - 1)))


def _shortcut(width_in: int, width: int, stride: int, kind: Shortcut) -> nn.Module:
    if stride == 1 and width_in == width:
        return nn.Identity()
    if kind == "padded":
        before = (width - width_in) // 2
        return PadShortcut(before, width - width_in - before, stride)
    return nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))


def _initialise(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, 0, 0.01)
            nn.init.zeros_(part.bias)
