"""One-shot selection: everything that goes in one phase, from one scoring (Sadaqa & Liu 2025)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from engine.graph.metric import Metric
from engine.graph.summarize import Structure
from engine.prune import depth, width
from engine.prune.protection import Protection
from engine.spec.catalog import Rank
from engine.surgery.plan import Step, channel_step


class _Settings(Protocol):
    """What a request says of how channels are ranked."""

    @property
    def scope(self) -> str: ...

    @property
    def rank(self) -> Rank | None: ...

    @property
    def round_to(self) -> int: ...


@dataclass(frozen=True)
class OneShot:
    """By what the phases of a request select."""

    metric: Metric
    ranking: width.Ranking
    scope: str
    round_to: int

    @classmethod
    def of(cls, metric: Metric, criterion: str, settings: _Settings) -> Self:
        """That of a request: its criterion, and its settings of width."""
        return cls(metric, width.Ranking.of(criterion, settings.rank), settings.scope, settings.round_to)

    def blocks(
        self,
        structure: Structure,
        scores: Mapping[str, float],
        limit: float,
        stays: Protection,
        not_below: float = 0.0,
    ) -> Step:
        """The blocks that go so that the network costs at most `limit`; see `depth.select_blocks`."""
        summary, protected = structure.summary, stays.blocks
        return Step(
            blocks=tuple(
                depth.select_blocks(summary, scores, self.metric, limit, not_below=not_below, protected=protected)
            )
        )

    def channels(self, structure: Structure, scores: Mapping[int, float], limit: float, stays: Protection) -> Step:
        """The channels that go so that the network costs at most `limit`; see `width.select_channels`."""
        dropped = width.select_channels(
            structure, scores, self.metric, limit, self.scope, self.round_to, stays.least, self.ranking
        )
        return channel_step(structure.trace, dropped)
