"""Parameters and MACs of any plan, by arithmetic on the model summary. No torch.

MACs are the multiply–accumulates of convolutions and linear layers for one image; FLOPs = 2 × MACs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from engine.graph.summary import Layer, ModelSummary, Uses


@dataclass(frozen=True)
class Cost:
    """What a plan costs: parameters, and multiply–accumulates of one image."""

    params: int
    macs: int

    def of(self, metric: str) -> int:
        """The count that a target metric names; counts that follow from these are properties."""
        return int(getattr(self, metric))


class CostModel:
    """The cost of a model with some blocks removed, as a function of the kept channels per channel group."""

    def __init__(self, summary: ModelSummary, removed: Collection[str] = ()) -> None:
        modules = removed_modules(summary, removed)
        route = _routes(summary, removed)
        self.full = [group.size for group in summary.channel_groups]
        self.layers = [
            (_rerouted(x.ins, route), _rerouted(x.outs, route), x)
            for x in summary.layers
            if not is_inside(x.name, modules)
        ]
        self.affines = [
            (_rerouted(a.channels, route), a.params) for a in summary.affines if not is_inside(a.name, modules)
        ]
        self.present = {group for ins, outs, _ in self.layers for group, _ in (*ins, *outs)}

    def __call__(self, kept: list[int] | None = None) -> Cost:
        """The cost when `kept[g]` channels of group g remain (all of them by default)."""
        kept = self.full if kept is None else kept
        params = sum(each * count_channels(channels, kept) for channels, each in self.affines)
        macs = 0
        for ins, outs, layer in self.layers:
            weights, biases = _parameters(ins, outs, layer, kept)
            macs += weights * layer.positions
            params += weights + biases
        return Cost(params, macs)

    def by_layer(self, kept: list[int] | None = None) -> dict[str, Cost]:
        """The same of each convolution and linear layer that is left, in order of depth; norms are no layers."""
        kept = self.full if kept is None else kept
        counts = {layer.name: (*_parameters(ins, outs, layer, kept), layer) for ins, outs, layer in self.layers}
        return {name: Cost(weights + biases, weights * x.positions) for name, (weights, biases, x) in counts.items()}


def cost(summary: ModelSummary, kept: list[int] | None = None, removed: Collection[str] = ()) -> Cost:
    """The cost of one plan; build a CostModel for many."""
    return CostModel(summary, removed)(kept)


def widths(
    summary: ModelSummary, kept: list[int] | None = None, removed: Collection[str] = ()
) -> dict[str, tuple[int, int]]:
    """Original and kept output channels of every convolution in order of depth; 0 in removed blocks."""
    counts = [group.size for group in summary.channel_groups] if kept is None else kept
    modules, route = removed_modules(summary, removed), _routes(summary, removed)
    channels = {}
    for layer in summary.layers:
        if layer.kind != "linear":
            kept_width = count_channels(_rerouted(layer.outs, route), counts)
            channels[layer.name] = (layer.width, 0 if is_inside(layer.name, modules) else kept_width)
    return channels


def kept_widths(summary: ModelSummary, original: Mapping[str, int] | None = None) -> dict[str, tuple[int, int]]:
    """The same of a network that was cut already: its `original` output channels, and those it has.

    A network of which nothing is said before is its own original.
    """
    kept = {layer.name: layer.width for layer in summary.layers if layer.kind != "linear"}
    return {name: (width, kept.get(name, 0)) for name, width in (original or kept).items()}


def removed_modules(summary: ModelSummary, removed: Collection[str]) -> tuple[str, ...]:
    """The modules that go with the removed blocks."""
    return tuple(module for block in summary.blocks if block.name in removed for module in block.modules)


def is_inside(name: str, modules: Collection[str]) -> bool:
    """Whether the module `name` is one of `modules` or lies inside one."""
    return any(name == module or name.startswith(module + ".") for module in modules)


def _parameters(ins: Uses, outs: Uses, layer: Layer, kept: list[int]) -> tuple[int, int]:
    """The weights and the biases of a layer; each weight is multiplied once for every output position."""
    produced = count_channels(outs, kept)
    fan_in = 1 if layer.kind == "depthwise" else count_channels(ins, kept) // layer.groups
    return produced * fan_in * layer.kernel, produced * layer.bias


def _routes(summary: ModelSummary, removed: Collection[str]) -> Mapping[int, int]:
    """Channel groups that vanish with a block, each with the one that its readers read instead."""
    route: dict[int, int] = {}
    for block in summary.blocks:  # in order of depth, so that what a block reads is already resolved
        if block.name in removed:
            route |= {written: route.get(read, read) for written, read in block.reroute}
    return route


def _rerouted(uses: Uses, route: Mapping[int, int]) -> Uses:
    return tuple((route.get(group, group), times) for group, times in uses)


def count_channels(uses: Uses, kept: list[int]) -> int:
    """The channels that a layer reads or writes when `kept[g]` of group g remain."""
    return sum(kept[group] * times for group, times in uses)
