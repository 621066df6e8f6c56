"""What every layer of a network took, by the profiler of the tool that timed it on a board or here. No torch."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from engine.storage.records.record import Duration, Flag, Moment, Record, Share, Whole

Kind = Literal["layer", "operation", "copy", "unknown"]
LONGEST_NAME = 4096  # characters of a name of the tool's
MOST_LABELS = 1000  # of one row
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Labels = Annotated[tuple[Name, ...], Field(max_length=MOST_LABELS)]


@dataclass(frozen=True, kw_only=True)
class LayerTime(Record):
    """What one layer of the engine took: the mean (and median) of an inference in ms, and its share of all of them.

    Where ONNX Runtime is the tool both are the median.

    `name` is the tool's, `layers` are the modules that it stands for: convolutions and linear layers where it has any
    (`kind` layer), else other operations (`operation`), or those that a copy into another layout is made for (`copy`).
    They are empty where the tool's name says nothing of them (`unknown`). `operators` are ONNX's. Where it is one layer
    `ins` and `outs` are the channels that it reads and makes, and `bytes` all that was read and written, if known.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"bytes", "ins", "outs"})

    name: Name
    kind: Kind
    layers: Labels
    operators: Labels
    ms: Duration
    median_ms: Duration | None = None
    share: Share
    bytes: Whole | None = None
    ins: Whole | None = None
    outs: Whole | None = None


@dataclass(frozen=True, kw_only=True)
class LayerProfile(Record):
    """The layers of one point in the order in which they ran, by a run of the tool that measured nothing else.

    The profiler waits after every layer, so that `total_ms`, their sum, is no latency. `named` is the share of it that
    belongs to layers with a name, None where nothing took time; `why` says why there are no layers.

    Of a host: its processor, how many numbers one of its vectors holds, the median of the whole network without the
    profiler, when that was (Unix seconds), and whether fresh weights stood in for those that are not kept.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"provider", "threads", "host", "vector", "latency_ms", "at", "fresh_weights"}
    )

    run: str
    point: Whole
    tool: str
    version: str | None = None
    precision: str
    count: Whole | None = None
    total_ms: Duration | None = None
    named: Share | None = None
    layers: tuple[LayerTime, ...] = ()
    why: str | None = None
    provider: str | None = None
    threads: Whole | None = None
    host: str | None = None
    vector: Whole | None = None
    latency_ms: Duration | None = None
    at: Moment | None = None
    fresh_weights: Flag | None = None
