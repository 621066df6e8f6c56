"""A measured network of a run: one line of points.jsonl. No torch."""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, Self

from engine.storage.records.measurement import Latency
from engine.storage.records.record import Duration, Flag, Number, Record, Share, Whole

Stage = Literal["baseline", "pruned", "reconstructed", "recovered", "quantized"]


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
class Answer(Record):
    """What a search for the smallest network came to, of which this point is the last: how many networks it tried, and
    how sure it is.

    On the `images` of the validation split at least the share `least` was to be right. The share that this network
    loses there to the untouched one is `lost`, with 95 % confidence between `low` and `high`: of the difference on the
    same images, though the network was chosen among the tries by them.
    """

    tries: Whole
    images: Whole
    least: Number
    lost: Number
    low: Number
    high: Number


@dataclass(frozen=True, kw_only=True)
class Reconstruction(Record):
    """The refit of what was left after a cut: how long it took, on how many images, of how many layers.

    The mean squared error at the outputs, on `checked` images that the refit did not see, was `before` with the plain
    cut and is `after`; the plain cut stays where the refit was no better (`kept` is false).
    """

    seconds: Duration
    images: Whole
    layers: Whole
    checked: Whole
    before: Number
    after: Number
    kept: Flag


@dataclass(frozen=True, kw_only=True)
class Point(Record):
    """A network as it was measured; accuracies are shares, `widths` are original and kept channels of convolutions.

    `final` is the last point of a target, `before_recovery` the last one before the recovery that ends it. A step of an
    iterative method has its number under its target (`step`), its `trajectory` and its `place` in it, both from 1, and
    the targets that the trajectory has behind it (`passed`). Runs of earlier versions lack the last four, which
    `earlier.describe_points` works out. `chance` is the share of the test images that naming their commonest class
    always gets right, `reconstruction` the refit after its cut; earlier versions did not say.

    A try of a search for an accuracy has a step and a trajectory, too, the `criterion` and the `depth_share` that it
    was made with, and figures on validation images alone: those of the test split are None, and it has no latency.
    The search's result has an `answer`.

    Of a network that is carried over from one domain to another, `top1`, `top5`, `loss` and the counts are those of the
    target's test images, and `target_top1` says so once more; `source_top1` is of the source's test images, `val_top1`
    of the source's validation images.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"step", "correct", "total", "val_total", "predicted_ms", "note", "before_recovery"}
        | {"trajectory", "place", "passed", "chance", "reconstruction", "criterion", "depth_share", "answer"}
        | {"source_top1", "target_top1"}
    )

    point: Whole
    stage: str
    phase: str
    keep: Share
    final: Flag
    step: Whole | None = None
    top1: Share | None
    top5: Share | None
    loss: Number | None
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
    reconstruction: Reconstruction | None = None
    criterion: str | None = None
    depth_share: Share | None = None
    answer: Answer | None = None
    source_top1: Share | None = None
    target_top1: Share | None = None

    def __post_init__(self) -> None:
        if self.top1 is None and (self.step is None or self.final):
            raise ValueError("top1 is null and should be number, as it is of all but a search's tries")

    @property
    def is_try(self) -> bool:
        """Whether it was measured on validation images alone."""
        return self.top1 is None

    def without_clock(self) -> dict[str, Any]:
        """The JSON without what a clock measured: equal for two runs of one request on one machine."""
        document = {key: value for key, value in self.to_json().items() if key not in ("seconds", "latency")}
        if "reconstruction" in document:
            document["reconstruction"] = {**document["reconstruction"], "seconds": None}
        return document
