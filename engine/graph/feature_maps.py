"""Feature maps of a traced network: each layer's output after the norm and activation that directly follow it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, fx

from engine.graph.channel_ids import Trace
from engine.graph.patterns import layer_nodes, unit


class FeatureMaps(fx.Interpreter):
    """Runs the traced graph and hands every layer's name and N×C×H×W maps to `visit`, as they pass.

    Where a linear layer's features have fewer axes, height and width are 1. The network goes on with the maps that
    `visit` gives back, where it gives any.
    """

    def __init__(self, trace: Trace, visit: Callable[[str, Tensor], Tensor | None]) -> None:
        super().__init__(trace.graph)
        self._visit = visit
        self._linear = {name for name, layer in trace.layers.items() if layer.kind == "linear"}
        self._last = {
            next(n for n in reversed(unit(trace, node)) if n is not None): name
            for name, node in layer_nodes(trace).items()
        }

    def run_node(self, n: fx.Node) -> Any:
        out = super().run_node(n)
        if n in self._last:
            name = self._last[n]
            maps = out.movedim(-1, 1) if name in self._linear else out
            given = self._visit(name, maps.reshape(*maps.shape, *[1] * (4 - maps.dim())))
            if given is not None:
                out = given.reshape(maps.shape).movedim(1, -1) if name in self._linear else given.reshape(maps.shape)
        return out
