"""From a trace to the model summary: identities in channel groups, blocks with what they reroute."""

from collections import defaultdict
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
    producers = _producers(traced)
    channel_groups = tuple(
        summary.ChannelGroup(
            size=len(ids),
            removable=bool(producers[int(ids[0])]) and int(ids[0]) not in traced.frozen,
            shared=int(ids[0]) in traced.added,
            producers=tuple(producers[int(ids[0])]),
        )
        for ids in members
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


def _channel_groups(traced: Trace) -> tuple[tuple[Ids, ...], dict[int, int]]:
    """Group identities by where, and how often, they appear as inputs and outputs."""
    places: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for layer in traced.layers.values():
        for side, ids in (("<" + layer.name, layer.ins), (">" + layer.name, layer.outs)):
            for identity, times in zip(*np.unique(ids, return_counts=True), strict=True):
                places[int(identity)].append((side, int(times)))
    for affine in traced.affines.values():
        for identity, times in zip(*np.unique(affine.ids, return_counts=True), strict=True):
            places[int(identity)].append((affine.name, int(times)))
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for identity in sorted(places):
        groups[(identity in traced.frozen, *places[identity])].append(identity)
    members = tuple(np.array(ids, dtype=np.int64) for ids in groups.values())
    return members, {int(i): group for group, ids in enumerate(members) for i in ids}


def _producers(traced: Trace) -> dict[int, list[str]]:
    producers: dict[int, list[str]] = defaultdict(list)
    for layer in traced.layers.values():
        for identity in np.unique(layer.outs):
            producers[int(identity)].append(layer.name)
    return producers


def _layers(traced: Trace, group_of: dict[int, int]) -> tuple[summary.Layer, ...]:
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


def _uses(ids: Ids, group_of: dict[int, int]) -> summary.Uses:
    identities, times = np.unique(ids, return_counts=True)
    return tuple(sorted({(group_of[int(i)], int(n)) for i, n in zip(identities, times, strict=True)}))


def _block(block: blocks.Block, layers: tuple[summary.Layer, ...], group_of: dict[int, int]) -> summary.Block:
    inside = tuple(x.name for x in layers if is_inside(x.name, block.modules))
    if not block.removable or block.reads is None or block.writes is None:
        return summary.Block(block.name, block.modules, inside, False, block.why, ())
    pairs = zip(compact(block.writes).flatten().tolist(), compact(block.reads).flatten().tolist(), strict=True)
    route = {(group_of[w], group_of[r]) for w, r in pairs if group_of[w] != group_of[r]}
    if len({written for written, _ in route}) < len(route):
        return summary.Block(block.name, block.modules, inside, False, "its channels are tied to several others", ())
    return summary.Block(block.name, block.modules, inside, True, block.why, tuple(sorted(route)))
