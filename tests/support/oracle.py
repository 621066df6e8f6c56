"""Torch-Pruning's groups in our terms: which output channels of which layers must go together."""

from collections.abc import Iterator

import torch
import torch_pruning as tp
from torch import nn

from engine.graph.trace import trace

Channel = tuple[str, int]  # layer, output channel
Group = frozenset[Channel]


def sampled(width: int) -> list[int]:
    return sorted({0, width // 3, width - 1})


def torch_pruning_groups(module: nn.Module, image: tuple[int, int, int]) -> dict[Channel, Group]:
    """For some output channels of every layer: all channels that Torch-Pruning removes with it."""
    graph = tp.DependencyGraph().build_dependency(module, example_inputs=torch.randn(1, *image))
    names = {m: name for name, m in module.named_modules()}
    found: dict[Channel, Group] = {}
    for m, name in names.items():
        if not isinstance(m, nn.Conv2d | nn.Linear):
            continue
        width = m.out_channels if isinstance(m, nn.Conv2d) else m.out_features
        prune = graph.get_pruner_of_module(m).prune_out_channels
        for channel in sampled(width):
            group = graph.get_pruning_group(m, prune, idxs=[channel])
            found[name, channel] = frozenset(_outputs(group, names))
    return found


def our_groups(module: nn.Module, image: tuple[int, int, int]) -> dict[Channel, Group]:
    """The same from identities."""
    traced = trace(module, image)
    by_identity: dict[int, set[Channel]] = {}
    for layer in traced.layers.values():
        for channel, identity in enumerate(layer.outs.tolist()):
            by_identity.setdefault(identity, set()).add((layer.name, channel))
    return {
        (layer.name, channel): frozenset(by_identity[int(layer.outs[channel])])
        for layer in traced.layers.values()
        for channel in sampled(len(layer.outs))
    }


def grouped_layers(module: nn.Module) -> set[str]:
    """Grouped convolutions that are not depthwise."""
    convolutions = ((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d))
    return {name for name, m in convolutions if 1 < m.groups < m.in_channels}


def _outputs(group: tp.Group, names: dict[nn.Module, str]) -> Iterator[Channel]:
    for dependency, channels in group:
        m = dependency.target.module
        if isinstance(m, nn.Conv2d | nn.Linear) and "out_channels" in dependency.handler.__name__:
            yield from ((names[m], channel) for channel in channels)
