"""What every layer of a network took on a board, by the profiler of the tool that timed it. No torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from engine.storage.records.record import Duration, Record, Share, Whole

Kind = Literal["layer", "operation", "copy", "unknown"]
LONGEST_NAME = 4096  # characters of a name of TensorRT's
MOST_LABELS = 1000  # of one row
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Labels = Annotated[tuple[Name, ...], Field(max_length=MOST_LABELS)]


@dataclass(frozen=True, kw_only=True)
class LayerTime(Record):
    """What one layer of the engine took: the mean (and median) of an inference in ms, and its share of all of them.

    `name` is the tool's, `layers` are the modules that it stands for: convolutions and linear layers where it has any
    (`kind` layer), else other operations (`operation`), or those that a copy into another layout is made for (`copy`).
    They are empty where the tool's name says nothing of them (`unknown`). `operators` are ONNX's.
    """

    name: Name
    kind: Kind
    layers: Labels
    operators: Labels
    ms: Duration
    median_ms: Duration | None = None
    share: Share


@dataclass(frozen=True, kw_only=True)
class LayerProfile(Record):
    """The layers of one point in the order in which they ran, by a run of the tool that measured nothing else.

    The profiler waits after every layer, so that `total_ms`, their sum, is no latency. `named` is the share of it that
    belongs to layers with a name, None where nothing took time; `why` says why there are no layers.
    """

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
