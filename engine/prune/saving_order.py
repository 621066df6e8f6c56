"""The order in which channels go when what one costs is weighed against what it frees. No torch."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.graph.cost import CostModel
from engine.graph.metric import LatencyPredictor, Metric
from engine.graph.summary import ModelSummary
from engine.prune.solver import Chunk, chunks_of

_ROUND = 1 / 64  # of what the network still costs goes before savings are worked out anew
_PROBED = 1 / 4  # of a group's channels go when milliseconds are asked for: those of one channel may be none

Numbers = NDArray[np.float64]


def saving_order(
    summary: ModelSummary,
    keys: Mapping[int, Sequence[float]],
    metric: Metric,
    round_to: int = 1,
    *,
    shared_last: bool = False,
    least: Mapping[int, int] | None = None,
) -> list[Chunk]:
    """The order in which channels go, group by group, lowest key per unit of `metric` freed first.

    `keys[c]` holds an ascending number, such as what its loss costs, for each channel of group c; see `removal_order`
    for the rest. What a channel frees falls as others go: savings are worked out anew after each 64th of what the
    network still costs. The order depends on no target, so that a longer part of it is always a smaller network.
    """
    waiting = {group: chunks[::-1] for group, chunks in chunks_of(summary, keys, round_to, least).items() if chunks}
    early = {c: w for c, w in waiting.items() if not (shared_last and summary.channel_groups[c].shared)}
    late = {c: w for c, w in waiting.items() if c not in early}
    model = CostModel(summary)
    state = _State(model, metric, list(model.full))
    return [chunk for part in (early, late) for chunk in state.drain(part)]


@dataclass
class _State:
    """How many channels of each group are left."""

    model: CostModel
    metric: Metric
    kept: list[int]

    def __post_init__(self) -> None:
        self._counts = _Counts.of(self.model, self.metric.name) if self.metric.predictor is None else None

    def drain(self, waiting: dict[int, list[tuple[float, int]]]) -> list[Chunk]:
        """Take all chunks (key and count, the next one last) in order; lists come out empty."""
        order: list[Chunk] = []
        while open_groups := [group for group, chunks in waiting.items() if chunks]:
            freed = self._savings({group: waiting[group][-1][1] for group in open_groups})
            budget = _ROUND * self.metric.of(self.model, self.kept)
            heap = [(_ratio(waiting[c][-1][0], freed[c]), c) for c in open_groups]
            heapq.heapify(heap)
            while heap and budget > 0:
                _, group = heapq.heappop(heap)
                _, count = waiting[group].pop()
                self.kept[group] -= count
                order.append((group, count))
                budget -= max(freed[group], 0.0) * count
                if waiting[group]:
                    heapq.heappush(heap, (_ratio(waiting[group][-1][0], freed[group]), group))
        return order

    def _savings(self, counts: Mapping[int, int]) -> dict[int, float]:
        """What each group's next channels free, for each channel."""
        if self._counts is not None:
            return self._counts.savings(self.kept, counts)
        assert self.metric.predictor is not None
        return _milliseconds(self.metric.predictor, self.model, self.kept, counts)


def _ratio(key: float, freed: float) -> float:
    return key / freed if freed > 0 else math.inf


def _milliseconds(
    predictor: LatencyPredictor, model: CostModel, kept: list[int], counts: Mapping[int, int]
) -> dict[int, float]:
    """What the next channels of each group free, on average over a part of the group that a table can tell."""
    gone = [(group, full - left) for group, (full, left) in enumerate(zip(model.full, kept, strict=True))]
    probed = {c: min(kept[c] - 1, max(count, math.ceil(_PROBED * kept[c]))) for c, count in counts.items()}
    there_and_back = [(group, sign * count) for group, count in probed.items() for sign in (1, -1)]
    costs = list(predictor.predict_along(model, [*gone, *there_and_back]))[len(gone) :]
    return {c: (costs[2 * i] - costs[2 * i + 1]) / probed[c] for i, c in enumerate(probed)}


@dataclass(frozen=True)
class _Counts:
    """Who takes part where: for each pair of a group and a layer how often its channels appear, as arrays."""

    model: CostModel
    weight_cost: Numbers  # of one weight of each layer
    output_cost: Numbers  # of one output channel of each layer beside its weights
    divisor: Numbers  # groups of each layer; 0 for a depthwise one, which has one weight per output and tap
    own_cost: Numbers  # of one channel of each group in norms
    group: NDArray[np.int64]
    layer: NDArray[np.int64]
    times_in: Numbers
    times_out: Numbers

    @classmethod
    def of(cls, model: CostModel, metric: str) -> Self:
        """For MACs or parameters."""
        counts_params = metric == "params"
        layers = [x for _, _, x in model.layers]
        pairs: dict[tuple[int, int], list[int]] = {}
        for i, (ins, outs, _) in enumerate(model.layers):
            for side, uses in enumerate((ins, outs)):
                for group, times in uses:
                    pairs.setdefault((group, i), [0, 0])[side] += times
        own = np.zeros(len(model.full))
        for uses, each in model.affines if counts_params else ():
            for group, times in uses:
                own[group] += each * times
        places = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
        times_used = np.array(list(pairs.values()), dtype=np.float64).reshape(-1, 2)
        return cls(
            model,
            np.array([x.kernel * (1 if counts_params else x.positions) for x in layers], dtype=np.float64),
            np.array([x.bias * counts_params for x in layers], dtype=np.float64),
            np.array([0 if x.kind == "depthwise" else x.groups for x in layers], dtype=np.float64),
            own,
            places[:, 0],
            places[:, 1],
            times_used[:, 0],
            times_used[:, 1],
        )

    def savings(self, kept: list[int], counts: Mapping[int, int]) -> dict[int, float]:
        """What so many channels of each group free, for each of them."""
        left, going = np.array(kept, dtype=np.float64), np.zeros(len(kept))
        going[list(counts)] = list(counts.values())
        ins = self._by_layer(self.times_in * left[self.group])
        outs = self._by_layer(self.times_out * left[self.group])
        go = going[self.group]
        after = self._cost(ins - self.times_in * go, outs - self.times_out * go)
        freed = np.bincount(self.group, self._cost(ins, outs) - after, len(kept)) + self.own_cost * going
        return {c: float(freed[c]) / count for c, count in counts.items()}

    def _by_layer(self, channels: Numbers) -> Numbers:
        """For each pair the sum over all pairs with its layer."""
        total: Numbers = np.bincount(self.layer, channels, len(self.divisor)).astype(np.float64)
        return total[self.layer]

    def _cost(self, ins: Numbers, outs: Numbers) -> Numbers:
        """Of the layer of each pair, with so many channels in and out."""
        divisor = self.divisor[self.layer]
        fan_in = np.where(divisor == 0, 1.0, ins // np.maximum(divisor, 1.0))
        return outs * (fan_in * self.weight_cost[self.layer] + self.output_cost[self.layer])
