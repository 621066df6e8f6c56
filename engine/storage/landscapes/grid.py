"""What a landscape measured, as landscape.json has it: conditions, baseline, and a cell for each network. No torch."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from engine.storage.records.point import Reached, Reconstruction
from engine.storage.records.record import Duration, Number, Record, Share, Whole

GRID_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Shares(Record):
    """What is left of a network's depth and of its width: each a share of what was there before the cut, in the metric.

    Their product is the share of the whole network.
    """

    depth: Number
    width: Number


@dataclass(frozen=True, kw_only=True)
class Accuracy(Record):
    """How many of the validation images are right, `top1` as a share."""

    correct: Whole
    total: Whole
    top1: Share

    @classmethod
    def of(cls, correct: int, total: int) -> Self:
        """The accuracy of a count."""
        return cls(correct=correct, total=total, top1=correct / total)


@dataclass(frozen=True, kw_only=True)
class Cell(Record):
    """One network of a landscape: `asked` of depth and width, and what was `kept`; without a network, `why` not.

    `plain` is the cut network as it is, `reconstructed` the same one refitted. `widths` are original and kept channels
    of convolutions, 0 in removed blocks. `got` is of the baseline, `predicted_ms` by a table of measured layers. A cell
    whose network is the very one of another, whose blocks are too large to tell the two apart, `repeats` its figures.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"kept", "why", "macs", "params", "got", "predicted_ms", "plain", "reconstructed", "reconstruction", "repeats"}
    )

    asked: Shares
    kept: Shares | None = None
    why: str | None = None
    blocks_removed: tuple[str, ...] = ()
    widths: dict[str, tuple[Whole, Whole]] = field(default_factory=dict)
    macs: Whole | None = None
    params: Whole | None = None
    got: Reached | None = None
    predicted_ms: Duration | None = None
    plain: Accuracy | None = None
    reconstructed: Accuracy | None = None
    reconstruction: Reconstruction | None = None
    repeats: Shares | None = None
    seconds: Duration = 0.0


@dataclass(frozen=True, kw_only=True)
class Untouched(Record):
    """The network that all others are cut from, on the same images."""

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"predicted_ms"})

    accuracy: Accuracy
    macs: Whole
    params: Whole
    predicted_ms: Duration | None = None
    widths: dict[str, tuple[Whole, Whole]] = field(default_factory=dict)
    removable_blocks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LatencySource(Record):
    """The table of measured layers that milliseconds are predicted by."""

    where: str
    tool: str
    provider: str
    threads: Whole
    batch: Whole


@dataclass(frozen=True, kw_only=True)
class Grid(Record):
    """A landscape: under which conditions it is measured, its two sides, and the cells so far.

    Accuracies are of `images` images of the split, which is the validation split: the test split is not looked at.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"calibration_images", "latency"})

    landscape_version: Whole = GRID_VERSION
    request: dict[str, Any]
    conditions: dict[str, Any]
    notes: tuple[str, ...]
    metric: str
    depths: tuple[Share, ...]
    widths: tuple[Share, ...]
    split: str
    images: Whole
    calibration_images: Whole | None = None
    latency: LatencySource | None = None
    untouched: Untouched
    cells: tuple[Cell, ...] = ()

    def cell(self, depth: float, width: float) -> Cell | None:
        """The cell that was asked for by these shares; None where it is not measured yet."""
        asked = Shares(depth=depth, width=width)
        return next((cell for cell in self.cells if cell.asked == asked), None)
