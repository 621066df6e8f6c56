"""What happened in a job: the lines of events.jsonl, a kind each. No torch.

A line is `{"t": Unix seconds, "kind": …}` and the fields of its kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.storage.records.record import Duration, Flag, Number, Record, Share, Whole


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """What all kinds have in common: the word in `kind`."""

    KIND: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class StartEvent(Event):
    """A run begins, or goes on: what is worth knowing of its data and network, and where torch computes."""

    KIND: ClassVar[str] = "start"

    notes: tuple[str, ...]
    device: str


@dataclass(frozen=True, kw_only=True)
class EndEvent(Event):
    """A run has come to its end."""

    KIND: ClassVar[str] = "done"


@dataclass(frozen=True, kw_only=True)
class CrashEvent(Event):
    """The job's process was lost, for the `crashes`th time without a step in between."""

    KIND: ClassVar[str] = "interrupted"

    crashes: Whole


@dataclass(frozen=True, kw_only=True)
class Note(Event):
    """What a reader of a run's points should know."""

    KIND: ClassVar[str] = "note"

    text: str


@dataclass(frozen=True, kw_only=True)
class PhaseEvent(Event):
    """What a job is doing now; a run says for which target and stage, and how far it is (0..1)."""

    KIND: ClassVar[str] = "phase"
    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"keep", "stage", "progress"})

    phase: str
    keep: Share | None = None
    stage: str | None = None
    message: str
    progress: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """One finished epoch, 1 ≤ `epoch` ≤ `epochs`: mean training loss, shares correct, last rate, wall seconds."""

    KIND: ClassVar[str] = "epoch"

    stage: str
    phase: str
    keep: Share
    epoch: Whole
    epochs: Whole
    loss: Number
    train_top1: Share
    val_top1: Share
    lr: Number
    seconds: Duration


@dataclass(frozen=True, kw_only=True)
class Scores(Event):
    """How much each block matters by the run's criterion; the lowest go first."""

    KIND: ClassVar[str] = "scores"

    scope: str
    scores: dict[str, Number]


@dataclass(frozen=True, kw_only=True)
class Tally(Record):
    """What a network does on `total` images: correct ones, mean cross-entropy and divergence in nats.

    Empty for a measure that is no sum over images.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"correct", "total", "loss", "divergence"})

    correct: Whole | None = None
    total: Whole | None = None
    loss: Number | None = None
    divergence: Number | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of correct images; None without any."""
        return _share(self.correct, self.total)


@dataclass(frozen=True, kw_only=True)
class Attempt(Record):
    """What the network would be without a block, or without `channels` of a layer, and what that saves and hurts.

    `saved` is a share of the baseline's cost, `rise` is per image in units of the measure. The rest is a `Tally`, of
    fewer images than before the attempt where a race ended early.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = Tally.WHERE_KNOWN

    name: str
    what: str  # "block" | "channels"
    channels: Whole
    saved: Number
    rise: Number
    selected: Flag
    correct: Whole | None = None
    total: Whole | None = None
    loss: Number | None = None
    divergence: Number | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of correct images; None without any."""
        return _share(self.correct, self.total)


@dataclass(frozen=True, kw_only=True)
class Attempts(Event):
    """All that one step of an iterative method attempted, and the network `before`.

    Its `trajectory`, its `place` in it (from 1) and the targets `passed` by then are missing in runs of earlier
    versions; `earlier.describe_attempts` works them out.
    """

    KIND: ClassVar[str] = "attempts"
    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"trajectory", "place", "passed"})

    phase: str
    keep: Share
    step: Whole
    measure: str
    before: Tally
    attempts: tuple[Attempt, ...]
    trajectory: str | None = None
    place: Whole | None = None
    passed: tuple[Share, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PseudoLabels(Event):
    """Target images whose class a network names with enough confidence: `taken` of `of`, of `classes` classes.

    Made anew in training (`step` is missing) or before a step of an iterative method. Whether they are right nobody
    knows before the end.
    """

    KIND: ClassVar[str] = "pseudo_labels"
    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"step"})

    stage: str
    phase: str
    keep: Share
    step: Whole | None = None
    taken: Whole
    of: Whole
    classes: Whole


@dataclass(frozen=True, kw_only=True)
class PseudoLabelAnswers(Event):
    """How many of the pseudo-labels that a point's network was last given were right, counted after the end."""

    KIND: ClassVar[str] = "pseudo_label_answers"

    point: Whole
    taken: Whole
    correct: Whole

    @property
    def share(self) -> float | None:
        """The share that was right; None without any."""
        return _share(self.correct, self.taken)


@dataclass(frozen=True, kw_only=True)
class Cut(Event):
    """What was cut, and how far the cut network is from the masked one; blocks, or output channels by layer."""

    KIND: ClassVar[str] = "cut"
    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"remove_blocks", "drop_channels"})

    phase: str
    keep: Share
    relative_error: Number
    remove_blocks: tuple[str, ...] | None = None
    drop_channels: dict[str, tuple[Whole, ...]] | None = None


@dataclass(frozen=True, kw_only=True)
class PointEvent(Event):
    """A point was measured and is in the folder; a try of a search has no top-1."""

    KIND: ClassVar[str] = "point"

    point: Whole
    stage: str
    phase: str
    keep: Share
    top1: Share | None


@dataclass(frozen=True, kw_only=True)
class ProbeEvent(Event):
    """What a board is, and how it stood, before it was timed on."""

    KIND: ClassVar[str] = "probe"

    probe: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class HoldEvent(Event):
    """A board is this job's: whose hold was broken for it, what was put back, and what was changed."""

    KIND: ClassVar[str] = "held"
    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"broke", "restored", "changed"})

    broke: Any = None
    restored: Any = None
    changed: Any = None


@dataclass(frozen=True, kw_only=True)
class TransferEvent(Event):
    """A network (`<run>.<point>`) is on the board; 0 bytes when it was there already."""

    KIND: ClassVar[str] = "sent"

    model: str
    bytes: Whole


@dataclass(frozen=True, kw_only=True)
class BuildEvent(Event):
    """What is timed of a network is ready on the board, after so many seconds or from its cache."""

    KIND: ClassVar[str] = "built"

    model: str
    cached: Flag
    seconds: Duration


@dataclass(frozen=True, kw_only=True)
class TurnEvent(Event):
    """A network had its turn in a round: `n` samples, their median in ms."""

    KIND: ClassVar[str] = "turn"

    model: str
    round: Whole
    n: Whole
    p50_ms: Duration


@dataclass(frozen=True, kw_only=True)
class DurationsEvent(Event):
    """Where the seconds of a timing went: the board's tools, waiting for the board, and the rest."""

    KIND: ClassVar[str] = "spent"

    tools: Duration
    waiting: Duration
    own: Duration


def _share(correct: int | None, total: int | None) -> float | None:
    return correct / total if correct is not None and total else None
