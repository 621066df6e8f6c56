"""What a target is stated in, and what a plan costs in it. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.graph.cost import CostModel


class LatencyPredictor(Protocol):
    """What predicts milliseconds: that of `engine.latency.predictor`, which stands above this room."""

    def predict(self, model: CostModel, kept: list[int] | None = None) -> float:
        """Milliseconds of the network with `kept[g]` channels of group g (all of them by default)."""

    def predict_along(self, model: CostModel, order: Sequence[tuple[int, int]]) -> Iterator[float]:
        """What `predict` gives with nothing removed, then after each of `order`'s (group, how many channels go)."""


@dataclass(frozen=True)
class Metric:
    """Multiply–accumulates or parameters; or milliseconds, as a table of measured layers predicts them.

    Fewer channels never cost more MACs or parameters, but they may take longer. ValueError for latency without a table,
    and for a table with anything else.
    """

    name: str  # "macs" | "params" | "latency"
    predictor: LatencyPredictor | None = None

    def __post_init__(self) -> None:
        if (self.name == "latency") != (self.predictor is not None):
            raise ValueError(f"a latency table goes with the metric latency, and only with that (got {self.name})")

    def of(self, model: CostModel, kept: list[int] | None = None) -> float:
        """The cost of the plan with `kept[g]` channels of group g (all of them by default)."""
        return model(kept).of(self.name) if self.predictor is None else self.predictor.predict(model, kept)
