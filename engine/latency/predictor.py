"""What any plan of a model takes in milliseconds, by the table of its measured layers. No torch."""

import math
from collections.abc import Iterator, Sequence

from engine.graph.cost import CostModel, count_channels
from engine.graph.summary import Uses
from engine.latency.table import LatencyTable


class Predictor:
    """Predicts milliseconds from a table; what a layer adds at given widths is computed once and kept."""

    def __init__(self, table: LatencyTable) -> None:
        self.table = table
        self._terms: dict[tuple[str, int, int], float] = {}

    def predict(self, model: CostModel, kept: list[int] | None = None) -> float:
        """Milliseconds of the network with `kept[g]` channels of group g (all of them by default)."""
        kept = model.full if kept is None else kept
        return self._total([self._term(x.name, ins, outs, kept) for ins, outs, x in model.layers])

    def predict_along(self, model: CostModel, order: Sequence[tuple[int, int]]) -> Iterator[float]:
        """What `predict` gives with nothing removed, then after each of `order`'s (group, how many channels go)."""
        kept = list(model.full)
        terms = [self._term(x.name, ins, outs, kept) for ins, outs, x in model.layers]
        readers: dict[int, list[int]] = {}
        for i, (ins, outs, _) in enumerate(model.layers):
            for group in {group for group, _ in (*ins, *outs)}:
                readers.setdefault(group, []).append(i)
        yield self._total(terms)
        for group, take in order:
            kept[group] -= take
            for i in readers.get(group, ()):
                ins, outs, x = model.layers[i]
                terms[i] = self._term(x.name, ins, outs, kept)
            yield self._total(terms)

    def _total(self, terms: list[float]) -> float:
        return math.fsum((self.table.calibration.network, *terms))

    def _term(self, name: str, ins: Uses, outs: Uses, kept: list[int]) -> float:
        key = (name, count_channels(ins, kept), count_channels(outs, kept))
        if key not in self._terms:
            by = self.table.calibration
            own, calls, changed = self.table.layer_features(*key)
            self._terms[key] = by.scale * own + by.layer * calls + by.change * changed
        return self._terms[key]
