"""Removed blocks are taken over by the layer before them: which layer that is, and what it is then to bring about."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx, nn

from engine.graph.channel_ids import Layer, Trace, channel_axes
from engine.graph.patterns import span
from engine.graph.summarize import Structure
from engine.graph.summary import Block
from engine.graph.trace import trace
from engine.surgery.cut import remove_blocks
from engine.surgery.reconstruction.grams import LARGEST
from engine.surgery.reconstruction.sites import endings, find_sites, is_idle


@dataclass(frozen=True)
class Takeover:
    """What takes a block over once it is removed, by nodes of the network that still has it.

    `layer` is refitted so that the value at `start`, where its own output ends, becomes the one at `end`. None where no
    layer before the block can be refitted: then what flows into the block (`start`) stands for what it gives (`end`).
    """

    block: str
    layer: str | None
    start: fx.Node
    end: fx.Node
    follows: str | None  # the block directly before, whose last layer `layer` may be


def find_takeovers(structure: Structure, module: nn.Module) -> dict[str, Takeover]:
    """For every removable block of `module`, which `structure` describes, what would take it over; in order of depth.

    Found as the refit after a cut finds it, on copies without every other block.
    """
    blocks = [block for block in structure.summary.blocks if block.removable]
    ends = endings(structure.trace)
    before = _blocks_before(structure.trace, blocks)
    found: dict[str, Takeover] = {}
    for part in (blocks[::2], blocks[1::2]):
        owner = {layer: block.name for block in part for layer in block.layers}
        twin = copy.deepcopy(module)
        remove_blocks(twin, [path for block in part for path in block.modules])
        for site in find_sites(trace(twin, structure.summary.image), structure.trace).sites:
            if len(site.chain) == 2 and _is_measured(structure.trace.layers[site.layer]):
                name, start = owner[site.chain[1]], ends[site.layer].value
                found[name] = Takeover(name, site.layer, start, site.target, before[name])
    return {block.name: found.get(block.name) or _bypassed(structure.trace, block, before) for block in blocks}


def is_features(trace: Trace, node: fx.Node) -> bool:
    """Whether channels lie along the last axis of a node's value, not along the second."""
    ids = trace.values[node.name]
    return ids.dim() == 2 or channel_axes(ids) == [ids.dim() - 1]


def _is_measured(layer: Layer) -> bool:
    """Whether the moments of what a layer reads are those of one matrix, with a column for each weight of an output."""
    return layer.groups == 1 and (layer.kernel == 1 or len(layer.ins) * layer.kernel <= LARGEST)


def _bypassed(trace: Trace, block: Block, before: dict[str, str | None]) -> Takeover:
    return Takeover(block.name, None, *_ends(trace, block), before[block.name])


def _blocks_before(trace: Trace, blocks: Sequence[Block]) -> dict[str, str | None]:
    """The block whose output each reads as it is."""
    exits = {_ends(trace, block)[1]: block.name for block in blocks}
    before: dict[str, str | None] = {}
    for block in blocks:
        node = _ends(trace, block)[0]
        while node not in exits and is_idle(trace, node) and len(node.all_input_nodes) == 1:
            (node,) = node.all_input_nodes
        before[block.name] = exits.get(node)
    return before


def _ends(trace: Trace, block: Block) -> tuple[fx.Node, fx.Node]:
    """The node that flows into a block, and the one that comes out."""
    nodes = trace.graph.graph.nodes
    return span(nodes, block.modules[0]).entry, span(nodes, block.modules[-1]).exit
