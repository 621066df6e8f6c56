"""Latency tables without measuring: made-up times for the layers of a sheet."""

from collections.abc import Callable

from engine.graph.summary import ModelSummary
from engine.latency.signature import Signature
from engine.latency.table import LatencyCalibration, LatencyTable, LayerLatency, WidthGrid

ONE = (1, 1)


def made_up(
    summary: ModelSummary,
    ms: Callable[[int, int], float],
    calibration: LatencyCalibration | None = None,
    slower: float = 2.0,
) -> LatencyTable:
    """Each layer takes `ms(ins, outs)` for every 1000 of its positions, `slower` times that for odd numbers of ins."""
    entries, layers = [], {}
    for number, layer in enumerate(summary.layers):
        ins, outs = (sum(summary.channel_groups[c].size * n for c, n in side) for side in (layer.ins, layer.outs))
        # One row of as many positions, which a 1×k kernel leaves as they are.
        kernel, size = (1, layer.kernel), (1, layer.positions + layer.kernel - 1)
        shape = Signature(layer.kind, kernel, ONE, (0, 0), ONE, layer.groups, size, ins, outs)
        entries.append(LayerLatency(shape, _grid(shape, ms, 1.0), _grid(shape, ms, slower)))
        layers[layer.name] = (number, 1)
    known = calibration or LatencyCalibration()
    return LatencyTable(summary.model, "nowhere", "none", "none", 1, 1, summary.image, layers, tuple(entries), known)


def _grid(shape: Signature, ms: Callable[[int, int], float], times: float) -> WidthGrid:
    ins, outs = (tuple(sorted({1, max(1, full // 2), full})) for full in (shape.ins, shape.outs))
    return WidthGrid(ins, outs, tuple(tuple(times * ms(i, o) * shape.positions / 1000 for o in outs) for i in ins))
