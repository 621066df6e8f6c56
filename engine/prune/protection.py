"""What a request keeps: blocks that may not go, and channels that stay of every layer it names. No torch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase

from engine.errors import RequestError
from engine.graph.summary import Block, ModelSummary
from engine.spec.messages import quote
from engine.spec.networks import layer_rules

_LISTED = 3  # names in a sentence


@dataclass(frozen=True)
class Protection:
    """Blocks that may not be removed, and how many channels of a channel group stay at least (0 where it is absent)."""

    blocks: frozenset[str] = frozenset()
    least: Mapping[int, int] = field(default_factory=dict)


NOTHING = Protection()


def protection(
    summary: ModelSummary,
    rules: Sequence[str] | None,
    least_share: float = 0.0,
    original: Mapping[str, int] | None = None,
) -> Protection:
    """What `rules` (NAME or NAME=SHARE, with the wildcards of file names) protect of a network.

    A name stands for itself and for all that lies inside: a layer keeps the share of its channels, a block stays that
    it names or of which it names a part. Where several name one layer the largest share counts; every layer keeps
    `least_share`. Shares are of the `original` widths, those of the network as it is where there are none.
    """
    pairs = [layer_rules.parse(rule) for rule in rules or ()]
    least: dict[int, int] = {}
    for layer in summary.layers:
        share = max([least_share, *(share for pattern, share in pairs if _names(pattern, layer.name))])
        width = layer.width if original is None else original[layer.name]
        for group, _ in layer.outs:
            size = summary.channel_groups[group].size
            # A group that is part of a layer keeps as much of its channels as the layer keeps of its own.
            stays = min(size, math.ceil(share * width * size / layer.width))
            least[group] = max(stays, least.get(group, 0))
    patterns = [pattern for pattern, _ in pairs]
    return Protection(frozenset(b.name for b in summary.blocks if _any_named(patterns, _parts(b))), least)


def check_rules(summary: ModelSummary, rules: Sequence[str] | None) -> None:
    """RequestError, with the nearest names, for a rule that names no layer and no block of the network."""
    names = [layer.name for layer in summary.layers] + [part for b in summary.blocks for part in _parts(b)]
    for rule in rules or ():
        pattern, _ = layer_rules.parse(rule)
        if not _any_named([pattern], names):
            raise RequestError(
                f"keep_layers has {quote(rule)}, which names no layer and no block of {summary.model}; "
                f"{_hint(pattern, names)}",
                field="keep_layers",
            )


def _parts(block: Block) -> tuple[str, ...]:
    """Every name that a block can be meant by: its own, and those of what goes with it."""
    return block.name, *block.modules, *block.layers


def _any_named(patterns: Iterable[str], names: Iterable[str]) -> bool:
    return any(_names(pattern, name) for name in names for pattern in patterns)


def _names(pattern: str, name: str) -> bool:
    """Whether a pattern names a module, or one that it lies inside."""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:count]), pattern) for count in range(1, len(parts) + 1))


def _hint(pattern: str, names: Sequence[str]) -> str:
    """The nearest names; without any, the first ones."""
    known = list(dict.fromkeys(names))
    nearest = get_close_matches(pattern.rstrip("*."), known, n=_LISTED, cutoff=0.5)
    return f"did you mean {' or '.join(nearest)}?" if nearest else f"its layers are {', '.join(known[:_LISTED])}, …"
