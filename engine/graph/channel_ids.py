"""Which channels are one and the same.

Instead of activations, a tensor whose every element *is the identity of the channel it belongs to*
flows through the network. Convolutions and linear layers give out fresh identities, additions and
products join them, and whatever only moves data (`cat`, `view`, `transpose`, …) is executed on the
identities themselves. What remains is set arithmetic: a cut is a set of identities to drop.
This file holds the identities and what a trace records; `rules/` says what each operation does
to them and `trace.py` sends them through a model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from engine.errors import RequestError

Ids = NDArray[np.int64]


class UnsupportedOperation(RequestError):
    """The model does something that no rule knows; guessing would cut it wrongly."""


@dataclass
class Layer:
    """A convolution or linear layer: the identity of every input and output channel."""

    name: str
    kind: str  # "conv" | "depthwise" | "linear"
    ins: Ids
    outs: Ids
    groups: int
    kernel: int  # weights per (input, output) channel pair
    positions: int  # per image that the kernel visits: output ones, input ones of a transposed convolution
    bias: bool
    transposed: bool = False  # its weight has input channels first

    def filters(self, weight: Tensor) -> Tensor:
        """`weight`, or its gradient, as output channels × the rest, in whatever order its module stores it."""
        if not self.transposed:
            return weight.flatten(1)
        ins, outs = weight.shape[:2]
        by_group = weight.reshape(self.groups, ins // self.groups, outs, -1).transpose(1, 2)
        return by_group.reshape(self.groups * outs, -1)


@dataclass
class Affine:
    """A norm, PReLU or bare parameter that holds one number or a few per channel.

    A "constant" holds as many numbers whatever is cut: its one identity is never dropped.
    """

    name: str
    kind: str  # "batch_norm" | "instance_norm" | "group_norm" | "layer_norm" | "prelu" | "parameter" | "constant"
    ids: Ids
    dim: int  # the channel axis: of the activation for norms, of the tensor for parameters
    params: int  # learned parameters per channel
    across: bool = False  # it normalises over all of its channels together


@dataclass
class Reader:
    """A function that reads all channels at once, as a mean across channels or a softmax does.

    The cut network reads only the channels that are left, so the masked one must, too.
    """

    ids: Ids
    dim: int  # the channel axis of its first argument
    returns: bool  # whether its output has that axis, too


@dataclass
class Padding:
    """A shortcut padded with zero channels: the identities that those zeros are added to."""

    name: str
    before: Ids
    after: Ids


@dataclass(frozen=True)
class Trace:
    """All that a cut needs to know about a model at one image size. Identities are canonical.

    `readers` are by the name of their graph node; `owners` name the module whose parameters a node works with, for
    calls of functions such as `F.conv2d(x, self.weight)`; `notes` say which layers keep all of their channels, and why.
    """

    graph: fx.GraphModule
    layers: dict[str, Layer]
    affines: dict[str, Affine]
    paddings: dict[str, Padding]
    frozen: frozenset[int]  # the image's own channels and the classes: never dropped
    added: frozenset[int]  # channels that are summed up, as in the stream of a residual network
    values: dict[str, Tensor]  # graph node → identities of its output, in the output's shape
    readers: dict[str, Reader] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def owner(self, node: fx.Node) -> str:
        """The path of the module whose parameters a node works with; "" for a function without any."""
        return str(node.target) if node.op == "call_module" else self.owners.get(node.name, "")


class Identities:
    """Hands out identities and remembers which of them are one and the same (a union–find in one go)."""

    def __init__(self) -> None:
        self._count = 0
        self._pairs: list[Tensor] = []
        self.frozen: list[Tensor] = []
        self.added: list[Tensor] = []

    def fresh(self, count: int) -> Tensor:
        """`count` new identities."""
        self._count += count
        return torch.arange(self._count - count, self._count)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """State that `a` and `b` (broadcast together) are elementwise the same channels."""
        a, b = torch.broadcast_tensors(a, b)  # type: ignore[no-untyped-call]
        self._pairs.append(torch.stack([compact(a, b).flatten(), compact(b, a).flatten()]))
        return a

    def tie(self, pieces: Iterable[Tensor]) -> None:
        """Join pieces that must stay equal in size, position by position."""
        first, *rest = pieces
        for piece in rest:
            self.join(first, piece)

    def canonical(self) -> Tensor:
        """For each identity handed out, the smallest one that is the same channel."""
        if not self._pairs:
            return torch.arange(self._count)
        return smallest_joined(self._count, torch.unique(torch.cat(self._pairs, dim=1), dim=1))


def smallest_joined(count: int, pairs: Tensor) -> Tensor:
    """For each of the numbers below `count` the smallest that it is joined with by a chain of `pairs` (2 × pairs).

    Each tree of a forest is hooked below the smallest that it is joined with, and made flat again, until nothing moves
    (Shiloach & Vishkin 1982). SciPy's connected components save a hundredth of a second of the largest networks, and
    importing them costs every process a third of one.
    """
    found = torch.arange(count)
    while True:
        roots = found[pairs]
        lower = found.scatter_reduce(0, roots.flatten(), roots.amin(0).repeat(2), "amin")
        while not torch.equal(flat := lower[lower], lower):
            lower = flat
        if torch.equal(lower, found):
            return found
        found = lower


def compact(ids: Tensor, like: Tensor | None = None) -> Tensor:
    """A view of `ids` without the repeats along axes that were only expanded (in `like`, too)."""
    for dim in range(ids.dim()):
        if ids.stride(dim) == 0 and (like is None or like.stride(dim) == 0):
            ids = ids.narrow(dim, 0, 1)
    return ids


def varies(ids: Tensor, dim: int) -> bool:
    """Whether identities differ along `dim`, that is, whether it carries channels."""
    if ids.shape[dim] == 1 or ids.stride(dim) == 0:
        return False
    small = compact(ids)
    return not bool((small == small.narrow(dim, 0, 1)).all())


def channel_axes(ids: Tensor) -> list[int]:
    """The axes along which identities differ; one, where all goes well."""
    return [dim for dim in range(ids.dim()) if varies(ids, dim)]


def distinct(ids: Tensor) -> set[int]:
    """The identities that occur."""
    return set(compact(ids).flatten().tolist())


def on_meta(ids: Tensor) -> Tensor:
    """An activation of that shape, without numbers."""
    return torch.empty(ids.shape, device="meta")


def spread(vector: Tensor, dim: int, shape: Sequence[int]) -> Tensor:
    """Identities that lie along axis `dim` of `shape`, the same at every other place."""
    return vector.reshape([-1 if d == dim else 1 for d in range(len(shape))]).expand(*shape)
