"""The widths of a pruned network's layers, as small as they lie in the index: thousands of points share their names."""

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache

from pydantic_core import from_json

Layout = Mapping[str, tuple[int, int]]  # of each layer its place and its original width
_BYTES = 8


class Widths(Mapping[str, tuple[int, int]]):
    """Of each layer its original width and what is kept of it."""

    __slots__ = ("_kept", "_layout")

    def __init__(self, layout: Layout, kept: bytes) -> None:
        self._layout, self._kept = layout, kept

    def __getitem__(self, layer: str) -> tuple[int, int]:
        place, original = self._layout[layer]
        kept = self._kept[_BYTES * place : _BYTES * (place + 1)]
        return original, int.from_bytes(kept, sys.byteorder, signed=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout)

    def __len__(self) -> int:
        return len(self._layout)

    def __hash__(self) -> int:
        return hash(self._kept)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Widths):
            return Mapping.__eq__(self, other)
        is_same_layout = self._layout is other._layout or self._layout == other._layout
        return is_same_layout and self._kept == other._kept

    def __repr__(self) -> str:
        return f"Widths({dict(self)})"


@lru_cache(maxsize=1024)
def layouts(document: str) -> tuple[Layout, ...]:
    """The layouts of a run, from the JSON that the index has of them."""
    return tuple(layout(layers) for layers in from_json(document))


def layout(layers: list[tuple[str, int]]) -> Layout:
    """The layers of a network with their original widths, in their order."""
    return {name: (place, original) for place, (name, original) in enumerate(layers)}


def split(layout: Layout, kept: bytes, at: int) -> tuple[Widths, int]:
    """The widths of the point that begins at a byte of its run's, and where the next one begins."""
    end = at + _BYTES * len(layout)
    return Widths(layout, kept[at:end]), end
