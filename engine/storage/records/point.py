"""A measured network of a run: one line of points.jsonl. No torch."""

from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, Self

from engine.storage.records.measurement import Latency
from engine.storage.records.record import Duration, Flag, Number, Record, Share, Whole

Stage = Literal["baseline", "pruned", "recovered", "quantized"]


@dataclass(frozen=True, kw_only=True)
class Requested(Record):
    """What a target asks for: the share of the baseline's `metric` that is kept."""

    metric: str
    keep: Share


@dataclass(frozen=True, kw_only=True)
class Reached(Record):
    """What came out, as shares of the baseline; the latency where the target is stated in it."""

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"latency"})

    macs: Number
    params: Number
    latency: Number | None = None

    @classmethod
    def of(cls, cost: object, baseline: object, latency: float | None) -> Self:
        """The counts of two costs, one as shares of the other; `latency` is such a share already."""
        counts = [each.name for each in fields(cls) if each.name != "latency"]
        return cls(**{name: getattr(cost, name) / getattr(baseline, name) for name in counts}, latency=latency)

    def share(self, metric: str) -> float | None:
        """The share of the metric of that name."""
        share: float | None = getattr(self, metric)
        return share


@dataclass(frozen=True, kw_only=True)
class Point(Record):
    """A network as it was measured; accuracies are shares, `widths` are original and kept channels of convolutions.

    `final` is the last point of a target, `before_recovery` the last one before the recovery that ends it. A step of an
    iterative method has its number under its target (`step`), its `trajectory` and its `place` in it, both from 1, and
    the targets that the trajectory has behind it (`passed`). Runs of earlier versions lack the last four, which
    `earlier.describe_points` works out. `chance` is the share of the test images that naming their commonest class
    always gets right; earlier versions did not say.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"step", "correct", "total", "val_total", "predicted_ms", "note", "before_recovery"}
        | {"trajectory", "place", "passed", "chance"}
    )

    point: Whole
    stage: str
    phase: str
    keep: Share
    final: Flag
    step: Whole | None = None
    top1: Share
    top5: Share
    loss: Number
    correct: Whole | None = None
    total: Whole | None = None
    val_top1: Share
    val_total: Whole | None = None
    params: Whole
    macs: Whole
    bytes: Whole
    asked: Requested | None = None
    blocks_removed: tuple[str, ...] = ()
    widths: dict[str, tuple[Whole, Whole]] = field(default_factory=dict)
    latency: tuple[Latency, ...] = ()
    seconds: Duration
    got: Reached
    predicted_ms: Duration | None = None
    note: str | None = None
    before_recovery: Flag | None = None
    trajectory: str | None = None
    place: Whole | None = None
    passed: tuple[Share, ...] | None = None
    chance: Share | None = None
