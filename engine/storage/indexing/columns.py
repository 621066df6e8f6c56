"""A run's points as columns: numbers as they lie in memory, the few words of each, its layers' widths. No torch.

Reading them takes no parsing of a point: the numbers of many runs are one matrix, put together byte by byte.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import nan
from operator import attrgetter
from typing import Any, Final

import msgspec
from pydantic_core import to_json

from engine.storage.records.measurement import Latency, Measurement
from engine.storage.records.point import Point

# The columns of the matrix, a row a point: shares in 0..1, counts, bytes, seconds; 0 or 1 for what is a flag, and NaN
# for what is not known. `depth_share` is the point's own; `onnx` says that its ONNX file is there.
NUMBERS: Final = (
    *("point", "keep", "final", "step", "top1", "top5", "val_top1", "loss", "params", "macs", "bytes"),
    *("source_top1", "target_top1", "predicted_ms", "seconds", "correct", "total", "chance", "before_recovery"),
    *("depth_share", "onnx"),
)
HOST_TIMING: Final = tuple(field.name for field in fields(Latency))
NUMBER_CODE: Final = "d"  # of module array: doubles
WIDTH_CODE: Final = "q"  # whole numbers up to 2⁶³
# Of each point, in the JSON list that stands beside the matrix. `layout` is a place in the list of layouts, each of
# which is a list of layers with their original width; `blocks` are those removed. A timing is a list of the values
# `HOST_TIMING` on a host, and on a board an object as in measurements.jsonl.
WORDS: Final = ("stage", "phase", "note", "trajectory", "criterion", "blocks", "layout", "timings")
_NUMBERS_OF = attrgetter(*NUMBERS[:-1])
_TIMING_OF = attrgetter(*HOST_TIMING)
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True)
class PointColumns:
    """All points of a run: `numbers` row by row, `words` and `layouts` as JSON, the `kept` widths point by point."""

    numbers: bytes = b""
    words: str = "[]"
    layouts: str = "[]"
    kept: bytes = b""

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(self.numbers) // (array(NUMBER_CODE).itemsize * len(NUMBERS))


NO_POINTS: Final = PointColumns()


class ColumnBuilder:
    """Takes points one after the other."""

    def __init__(self) -> None:
        self._numbers = array(NUMBER_CODE)
        self._kept = array(WIDTH_CODE)
        self._words: list[list[Any]] = []
        self._layouts: dict[tuple[tuple[str, ...], tuple[int, ...]], int] = {}  # names, and original widths

    def add(self, point: Point, timings: Iterable[Measurement], *, onnx: bool) -> None:
        """The next point, with what boards measured of it."""
        self._numbers.extend([nan if value is None else value for value in _NUMBERS_OF(point)])
        self._numbers.append(onnx)
        original, kept = zip(*point.widths.values(), strict=True) if point.widths else ((), ())
        place = self._layouts.setdefault((tuple(point.widths), original), len(self._layouts))
        self._kept.extend(kept)
        entries: list[Any] = [_TIMING_OF(entry) for entry in point.latency]
        entries += map(board_entry, timings)
        words = (point.stage, point.phase, point.note, point.trajectory, point.criterion, point.blocks_removed)
        self._words.append([*words, place, entries])

    def columns(self) -> PointColumns:
        """Everything that was added."""
        layouts = [list(zip(names, original, strict=True)) for names, original in self._layouts]
        return PointColumns(self._numbers.tobytes(), as_json(self._words), as_json(layouts), self._kept.tobytes())


def board_entry(measurement: Measurement) -> dict[str, Any]:
    """What a board measured as an entry among a point's latencies."""
    return {"where": measurement.device, **measurement.to_json()}


def as_json(value: Any) -> str:
    """JSON in which a number that is none is null."""
    try:
        return _ENCODER.encode(value).decode()
    except OverflowError:  # a whole number of a stranger's that takes more than 64 bits
        return to_json(value, inf_nan_mode="null").decode()
