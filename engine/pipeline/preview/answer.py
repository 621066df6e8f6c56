"""What a preview says: of the untouched network and of each target, with how sure it is. No torch."""

from dataclasses import dataclass, field
from typing import ClassVar

from engine.statistics.counts import share_interval
from engine.storage.records.point import Reached, Reconstruction
from engine.storage.records.record import Duration, Record, Share, Whole


@dataclass(frozen=True, kw_only=True)
class Tally(Record):
    """How many of `total` validation images are named right; `low` to `high` is the 95 % interval of that share."""

    correct: Whole
    total: Whole
    top1: Share
    low: Share
    high: Share

    @classmethod
    def of(cls, correct: int, total: int) -> "Tally":
        low, high = share_interval(correct, total)
        return cls(correct=correct, total=total, top1=correct / total, low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class TargetPreview(Record):
    """One target's network: what it costs, and what it names right cut and nothing else, and reconstructed.

    `widths` are original and kept channels of every convolution, in order of depth, 0 kept in removed blocks.
    `predicted_ms` is there where the target is a latency.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"predicted_ms"})

    keep: Share
    macs: Whole
    params: Whole
    got: Reached
    predicted_ms: Duration | None = None
    blocks_removed: tuple[str, ...] = ()
    widths: dict[str, tuple[Whole, Whole]] = field(default_factory=dict)
    plain: Tally
    reconstructed: Tally | None = None  # None where reconstruction was not asked for, or nothing was cut
    reconstruction: Reconstruction | None = None
    notes: tuple[str, ...] = ()
    seconds: Duration


@dataclass(frozen=True, kw_only=True)
class Preview(Record):
    """The answer to one request; `calibration_images` of the training images are 0 without reconstruction.

    `seconds` is all of it, `loading` the part that a first request has alone.
    """

    model: str
    weights: str
    data: str
    criterion: str
    order: str
    metric: str
    seed: Whole
    device: str
    split: str = "val"
    calibration_images: Whole
    macs: Whole
    params: Whole
    untouched: Tally
    targets: tuple[TargetPreview, ...] = ()
    notes: tuple[str, ...] = ()
    loading: Duration
    seconds: Duration
