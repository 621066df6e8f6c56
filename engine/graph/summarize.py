"""From a trace to the model summary: identities in channel groups, blocks with what they reroute."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from engine.graph import blocks, summary
from engine.graph.channel_ids import Ids, Trace, compact
from engine.graph.cost import cost, is_inside
from engine.graph.patterns import layer_nodes, unit
from engine.graph.trace import trace


@dataclass(frozen=True)
class Structure:
    """A model's trace, its summary, and the identities of every channel group (canonical, ascending)."""

    trace: Trace
    summary: summary.ModelSummary
    members: tuple[Ids, ...]

    def identities_at(self, positions: dict[int, Ids]) -> frozenset[int]:
        """The identities at the given positions of the given channel groups."""
        return frozenset(int(i) for group, places in positions.items() for i in self.members[group][places])


def summarize(model: nn.Module, image: tuple[int, int, int], name: str = "") -> Structure:
    """Trace `model` for images of (channels, height, width) and summarize it; raises what `trace` raises."""
    traced = trace(model, image)
    members, group_of = _channel_groups(traced)
    channel_groups = tuple(
        summary.ChannelGroup(
            size=len(ids),
            removable=bool(producers) and int(ids[0]) not in traced.frozen,
            shared=int(ids[0]) in traced.added,
            producers=tuple(producers),
        )
        for ids, producers in zip(members, _producers(traced, group_of, len(members)), strict=True)
    )
    layers = _layers(traced, group_of)
    all_blocks = tuple(_block(block, layers, group_of) for block in blocks.find_blocks(traced))
    affines = tuple(summary.Affine(a.name, a.params, _uses(a.ids, group_of)) for a in traced.affines.values())
    classes = len(next(reversed(traced.layers.values())).outs)
    draft = summary.ModelSummary(name, image, classes, 0, 0, channel_groups, layers, affines, all_blocks)
    total = cost(draft)
    finished = summary.ModelSummary(
        name, image, classes, total.params, total.macs, channel_groups, layers, affines, all_blocks
    )
    return Structure(traced, finished, members)


def _channel_groups(traced: Trace) -> tuple[tuple[Ids, ...], Ids]:
    """Group identities by where, and how often, they appear as inputs and outputs; and the group of each identity.

    Groups are in the order of their lowest identities. At each place the parts that identities are in so far fall
    apart into those that appear there equally often, and the rest.
    """
    places = [ids for layer in traced.layers.values() for ids in (layer.ins, layer.outs)]
    places += [affine.ids for affine in traced.affines.values()]
    count = 1 + max((int(ids.max()) for ids in places if len(ids)), default=-1)
    part, parts = np.full(count, -1, dtype=np.int64), 1
    for ids in places:
        identities, times = np.unique(ids, return_counts=True)
        pairs = (part[identities] + 1) * (1 + times.max(initial=0)) + times
        distinct, split = np.unique(pairs, return_inverse=True)
        part[identities] = parts + split
        parts += len(distinct)
    present = np.flatnonzero(part >= 0)
    frozen = np.isin(present, np.fromiter(traced.frozen, np.int64))
    _, first, group = np.unique(2 * part[present] + frozen, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    group_of = np.full(count, -1, dtype=np.int64)
    group_of[present] = rank[group]
    by_group = present[np.argsort(group_of[present], kind="stable")]
    return tuple(np.split(by_group, np.cumsum(np.bincount(rank[group]))[:-1])), group_of


def _producers(traced: Trace, group_of: Ids, count: int) -> list[list[str]]:
    """For each channel group the layers that give it out, in order of depth."""
    producers: list[list[str]] = [[] for _ in range(count)]
    for layer in traced.layers.values():
        for group in np.unique(group_of[layer.outs]):
            producers[int(group)].append(layer.name)
    return producers


def _layers(traced: Trace, group_of: Ids) -> tuple[summary.Layer, ...]:
    layers, stage, smallest = [], 0, 0
    nodes = layer_nodes(traced)
    for x in traced.layers.values():
        if x.kind != "linear" and x.positions > 1:  # squeeze-and-excitation works on single positions
            stage += int(0 < x.positions < smallest)
            smallest = min(smallest or x.positions, x.positions)
        normed = unit(traced, nodes[x.name])[1] is not None
        ins, outs = _uses(x.ins, group_of), _uses(x.outs, group_of)
        width = len(x.outs)
        layers.append(
            summary.Layer(x.name, x.kind, stage, width, x.groups, x.kernel, x.positions, x.bias, normed, ins, outs)
        )
    return tuple(layers)


def _uses(ids: Ids, group_of: Ids) -> summary.Uses:
    identities, times = np.unique(ids, return_counts=True)
    return tuple(sorted(set(zip(group_of[identities].tolist(), times.tolist(), strict=True))))


def _block(block: blocks.Block, layers: tuple[summary.Layer, ...], group_of: Ids) -> summary.Block:
    inside = tuple(x.name for x in layers if is_inside(x.name, block.modules))
    if not block.removable or block.reads is None or block.writes is None:
        return summary.Block(block.name, block.modules, inside, False, block.why, ())
    pairs = zip(compact(block.writes).flatten().tolist(), compact(block.reads).flatten().tolist(), strict=True)
    groups = ((int(group_of[written]), int(group_of[read])) for written, read in pairs)
    route = {(written, read) for written, read in groups if written != read}
    if len({written for written, _ in route}) < len(route):
        return summary.Block(block.name, block.modules, inside, False, "its channels are tied to several others", ())
    return summary.Block(block.name, block.modules, inside, True, block.why, tuple(sorted(route)))
