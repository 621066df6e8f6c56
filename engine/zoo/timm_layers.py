"""Layers of timm that are something plain in disguise, put as what they are: the function stays, and can be cut."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.blur_pool import BlurPool2d
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.mixed_conv2d import MixedConv2d
from timm.layers.std_conv import ScaledStdConv2d, ScaledStdConv2dSame, StdConv2d, StdConv2dSame
from torch import Tensor, fx, nn

from engine.graph.propagation import Propagation
from engine.graph.rules.registry import module_rule

_STANDARDIZED = (StdConv2d, StdConv2dSame, ScaledStdConv2d, ScaledStdConv2dSame)


def simplify(module: nn.Module) -> tuple[str, ...]:
    """Change `module` in place: notes say what became of its layers.

    A convolution whose weights are standardised anew in each pass (Qiao et al. 2019, Brock et al. 2021) depends on the
    number of its inputs, so that what a cut leaves would be another filter: it becomes a convolution of the weights as
    they are standardised now. A blur, a convolution with fixed filters, becomes the average pools that it consists of,
    and convolutions of different kernels side by side take as many channels each as they read, not a fixed number.
    """
    standardized = 0
    for name, part in list(module.named_modules()):
        plain = _PLAIN.get(type(part))
        if plain is not None:
            parent, _, own_name = name.rpartition(".")
            setattr(module.get_submodule(parent), own_name, plain(part))
            standardized += type(part) in _STANDARDIZED
    if not standardized:
        return ()
    return (f"the standardised weights of {standardized} convolutions are plain weights from here on",)


class Blur(nn.Module):
    """A binomial blur of `taps` × `taps` px (Zhang 2019): the 2 × 2 average, taken once less than it has taps."""

    def __init__(self, written: BlurPool2d) -> None:
        super().__init__()
        self.taps, self.stride, self.padding = written.filt_size, written.stride, written.pad_mode

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, [(self.stride - 1 + self.taps - 1) // 2] * 4, mode=self.padding)
        for _ in range(self.taps - 2):
            x = F.avg_pool2d(x, 2, 1)
        return F.avg_pool2d(x, 2, self.stride)


class Pieces(nn.Module):
    """Splits its input into what each of several convolutions reads; they are another module's."""

    def __init__(self, readers: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.readers = tuple(readers)  # in a tuple they are not parts of this one

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.split(x, [reader.in_channels for reader in self.readers], 1)


class Mixed(nn.ModuleDict):
    """Convolutions of different kernels side by side (Tan & Le 2019), under the names that timm gives them."""

    def __init__(self, written: MixedConv2d) -> None:
        super().__init__(dict(written.items()))
        convolutions: Any = list(written.values())
        self.pieces = Pieces(convolutions)

    def forward(self, x: Tensor) -> Tensor:
        pieces = self.pieces(x)
        return torch.cat([reader(pieces[i]) for i, reader in enumerate(self.pieces.readers)], 1)


@module_rule(Pieces)
def pieces(p: Propagation, node: fx.Node, args: tuple[Any, ...], _: dict[str, Any]) -> tuple[Tensor, ...]:
    """Every piece carries its own channels, and ties none: a reader takes what is left of them."""
    return args[0].split([reader.in_channels for reader in p.module(node).readers], 1)  # type: ignore[no-any-return]


def _convolution(layer: Any) -> nn.Conv2d:
    """The plain convolution that a standardised one is in evaluation mode."""
    pads_itself = getattr(layer, "same_pad", False)
    kind = Conv2dSame if pads_itself else nn.Conv2d
    sizes = (layer.in_channels, layer.out_channels, layer.kernel_size)
    how = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups": layer.groups}
    weight = _standardized_weight(layer)
    plain: nn.Conv2d = kind(*sizes, **how, bias=layer.bias is not None, device="meta")
    plain.weight = nn.Parameter(weight, layer.weight.requires_grad)
    if layer.bias is not None:
        plain.bias = nn.Parameter(layer.bias.detach(), layer.bias.requires_grad)
    return plain.train(layer.training)


def _standardized_weight(layer: Any) -> Tensor:
    """As the layer's own forward has it, of every filter: mean 0 and the deviation that its gain says."""
    gain = (layer.gain * layer.scale).view(-1) if hasattr(layer, "gain") else None
    with torch.no_grad():
        filters = layer.weight.reshape(1, layer.out_channels, -1)
        standardized: Tensor = F.batch_norm(
            filters, None, None, weight=gain, training=True, momentum=0.0, eps=layer.eps
        )
        return standardized.reshape_as(layer.weight).detach()


_PLAIN: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    **dict.fromkeys(_STANDARDIZED, _convolution),
    BlurPool2d: Blur,
    MixedConv2d: Mixed,
}
