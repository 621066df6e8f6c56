"""What a layer's time depends on beside its widths. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """A layer by its shape: `ins` and `outs` channels when nothing is cut, images of `size` (height, width) coming in.

    A linear layer that is applied to several positions has them as its height, and a width of 1.
    """

    kind: str  # "conv" | "depthwise" | "linear"
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    size: tuple[int, int]
    ins: int
    outs: int
    fixed: tuple[bool, bool] = (False, False)  # whether ins and outs never change, as for an image's own channels

    @property
    def positions(self) -> int:
        """Output positions per image."""
        return _out(self, 0) * _out(self, 1)


def _out(layer: Signature, axis: int) -> int:
    reach = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
    return (layer.size[axis] + 2 * layer.padding[axis] - reach) // layer.stride[axis] + 1
