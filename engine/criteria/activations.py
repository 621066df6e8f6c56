"""Criteria that look at feature maps: a layer's output after the norm and activation that directly follow it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from engine.criteria.calibration import Calibration, Scores
from engine.graph.patterns import layer_nodes, unit

RANK_IMAGES = 64


def activation(calibration: Calibration) -> Scores:
    """Mean |a_c| over calibration images and positions (Molchanov et al. 2017)."""
    return _averaged(calibration, lambda maps: maps.abs().flatten(2).mean(2))


def feature_rank(calibration: Calibration) -> Scores:
    """Mean matrix rank of a_c over the first 64 calibration images (Lin et al. 2020, eq. 4)."""
    return _averaged(calibration, lambda maps: torch.linalg.matrix_rank(maps).float(), RANK_IMAGES)


def _averaged(calibration: Calibration, measure: Callable[[Tensor], Tensor], limit: int | None = None) -> Scores:
    """The mean over images of `measure`, which maps N×C×H×W feature maps to N×C numbers."""
    maps = _Maps(calibration, measure)
    seen = 0
    for batch, _ in calibration.batches():
        images = batch[: None if limit is None else limit - seen]
        with torch.inference_mode():
            maps.run(images)
        seen += len(images)
        if seen == limit:
            break
    return {name: scores / seen for name, scores in maps.total.items()}


class _Maps(fx.Interpreter):
    """Runs the traced graph and adds up what `measure` says of every layer's maps, as they pass."""

    def __init__(self, calibration: Calibration, measure: Callable[[Tensor], Tensor]) -> None:
        super().__init__(calibration.trace.graph)
        self.total = {name: np.zeros(len(layer.outs)) for name, layer in calibration.trace.layers.items()}
        self._measure = measure
        self._linear = {name for name, layer in calibration.trace.layers.items() if layer.kind == "linear"}
        self._last = {
            next(n for n in reversed(unit(calibration.trace, node)) if n is not None): name
            for name, node in layer_nodes(calibration.trace).items()
        }

    def run_node(self, n: fx.Node) -> Any:
        out = super().run_node(n)
        if n in self._last:
            name = self._last[n]
            maps = out.movedim(-1, 1) if name in self._linear else out
            maps = maps.reshape(*maps.shape, *[1] * (4 - maps.dim()))
            self.total[name] += self._measure(maps).double().sum(0).cpu().numpy()
        return out
