"""The model summary: a traced network as plain numbers, so that any plan's cost is arithmetic. No torch.

Channels whose identities appear in exactly the same places are interchangeable as far as cost goes;
they form a *channel group*. A plan costs what its kept count per group and its removed blocks say.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

SHEET_VERSION = 1  # files say "sheet" and "cells", as they did before these had their names here
Uses = tuple[tuple[int, int], ...]  # (channel group, how often each of its channels appears)


@dataclass(frozen=True)
class ChannelGroup:
    """Interchangeable channels: how many, and the layers that produce them.

    `shared` ones are sums over several layers, as in the stream of a residual network.
    """

    size: int
    removable: bool
    shared: bool
    producers: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer; `width` output channels, `positions` output positions per image."""

    name: str
    kind: str  # "conv" | "depthwise" | "linear"
    stage: int  # grows where the resolution falls
    width: int
    groups: int
    kernel: int
    positions: int
    bias: bool
    normed: bool  # a batch norm directly follows
    ins: Uses
    outs: Uses


@dataclass(frozen=True)
class Affine:
    """A norm or bare parameter with `params` learned numbers per channel."""

    name: str
    params: int
    channels: Uses


@dataclass(frozen=True)
class Block:
    """What may be removed as a whole: its layers, and which channel groups its readers read in its place."""

    name: str
    modules: tuple[str, ...]
    layers: tuple[str, ...]
    removable: bool
    why: str
    reroute: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ModelSummary:
    """One model at one image size and number of classes."""

    model: str
    image: tuple[int, int, int]
    classes: int
    params: int
    macs: int
    channel_groups: tuple[ChannelGroup, ...]
    layers: tuple[Layer, ...]
    affines: tuple[Affine, ...]
    blocks: tuple[Block, ...]

    def to_json(self) -> dict[str, Any]:
        fields = asdict(self)
        return {"sheet_version": SHEET_VERSION, "cells": fields.pop("channel_groups"), **fields}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """The summary in `raw`, as `to_json` wrote it (tuples come back from lists)."""
        if raw.get("sheet_version") != SHEET_VERSION:
            raise ValueError(f"sheet_version is {raw.get('sheet_version')!r}, expected {SHEET_VERSION}")
        return cls(
            model=raw["model"],
            image=tuple(raw["image"]),
            classes=raw["classes"],
            params=raw["params"],
            macs=raw["macs"],
            channel_groups=tuple(ChannelGroup(**_tuples(c)) for c in raw["cells"]),
            layers=tuple(Layer(**_tuples(x)) for x in raw["layers"]),
            affines=tuple(Affine(**_tuples(a)) for a in raw["affines"]),
            blocks=tuple(Block(**_tuples(b)) for b in raw["blocks"]),
        )


def _tuples(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _frozen(value) for key, value in raw.items()}


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
