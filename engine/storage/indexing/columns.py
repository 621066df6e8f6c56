"""A run's points as columns: numbers as they lie in memory, the few words of each, its layers' widths. No torch.

Reading them takes no parsing of a point: the numbers of many runs are one matrix, put together byte by byte.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import nan
from operator import attrgetter
from struct import Struct
from typing import Any, Final

import msgspec
from pydantic_core import to_json

from engine.storage.records.measurement import Latency, Measurement

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
_WORDS_OF = attrgetter("stage", "phase", "note", "trajectory", "criterion", "blocks_removed")
_PACK = Struct(f"{len(NUMBERS)}{NUMBER_CODE}").pack
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


@dataclass(frozen=True, slots=True)
class Widths:
    """Of a point's layers: the `layout` is a JSON list of each with its original width, `kept` has them as they are."""

    layout: str
    kept: bytes

    @classmethod
    def of(cls, widths: Mapping[str, tuple[int, int]]) -> "Widths":
        layout = as_json([(name, original) for name, (original, _) in widths.items()])
        return cls(layout, array(WIDTH_CODE, [kept for _, kept in widths.values()]).tobytes())


class ColumnBuilder:
    """Takes points one after the other."""

    def __init__(self) -> None:
        self._numbers: list[bytes] = []
        self._kept: list[bytes] = []
        self._words: list[list[Any]] = []
        self._layouts: dict[str, int] = {}

    def add(self, line: Any, timings: Iterable[Measurement], *, onnx: bool) -> None:
        """The next point, as a line of it has it, with what boards measured of it."""
        self._numbers.append(_PACK(*[nan if value is None else value for value in _NUMBERS_OF(line)], onnx))
        widths = line.widths
        self._kept.append(widths.kept)
        place = self._layouts.setdefault(widths.layout, len(self._layouts))
        entries: list[Any] = [_TIMING_OF(entry) for entry in line.latency]
        entries += map(board_entry, timings)
        self._words.append([*_WORDS_OF(line), place, entries])

    def columns(self) -> PointColumns:
        """Everything that was added."""
        layouts = f"[{','.join(self._layouts)}]"
        return PointColumns(b"".join(self._numbers), as_json(self._words), layouts, b"".join(self._kept))


def board_entry(measurement: Measurement) -> dict[str, Any]:
    """What a board measured as an entry among a point's latencies."""
    return {"where": measurement.device, **measurement.to_json()}


def as_json(value: Any) -> str:
    """JSON in which a number that is none is null."""
    try:
        return _ENCODER.encode(value).decode()
    except OverflowError:  # a whole number of a stranger's that takes more than 64 bits
        return to_json(value, inf_nan_mode="null").decode()
