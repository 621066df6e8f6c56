"""The file that trtexec's --exportProfile writes: what TensorRT calls its layers, and what each of them took. Pure.

It looks like JSON, and often is none: names are written as they are, quotes and backslashes included, and numbers as
C++ streams write them, nan included. Its formats were read in NVIDIA's published sources
(samples/common/sampleReporting.cpp, Profiler::exportJSONProfile) from 7.1 to 10.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import WorkError
from engine.texts import one_line

MOST_ROWS = 20_000
MOST_TEXT = 8 << 20  # characters; a row has some hundred
_TOO_LARGE = 1e12  # for any time in ms

_NUMBER = r"[-+]?(?:[0-9][0-9.eE+-]{0,30}|nan(?:\([^)]{0,20}\))?|inf(?:inity)?)"
_COUNT = re.compile(rf'\{{\s*"count"\s*:\s*({_NUMBER})\s*\}}', re.IGNORECASE)
# The end of a row is looked for first, as a name may hold any quote or brace.
_START = re.compile(r'\{\s*"name"\s*:\s*"')
_END = re.compile(
    rf'"\s*,\s*"timeMs"\s*:\s*(?P<time>{_NUMBER})\s*(?:,\s*"averageMs"\s*:\s*(?P<average>{_NUMBER})\s*)?'
    rf'(?:,\s*"medianMs"\s*:\s*(?P<median>{_NUMBER})\s*)?(?:,\s*"percentage"\s*:\s*{_NUMBER}\s*)?\}}',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Row:
    """What one layer of the engine took in one inference, in ms: the mean, and the median where there is one.

    `bytes` is all that it reads and writes, where the tool says it.
    """

    name: str
    ms: float
    median_ms: float | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class LayerTimes:
    """The layers in the order in which they ran; `count` inferences were profiled, None where the file says none."""

    count: int | None
    rows: tuple[Row, ...]


def parse_layer_times(text: str) -> LayerTimes:
    """The times in what trtexec exported; WorkError when it holds no layer, or a row without a usable time."""
    if len(text) > MOST_TEXT:
        raise WorkError("trtexec exported a layer profile larger than any network's: time it again")
    found = _rows(text)
    rows, count = found if found[0] else _plain_json(text)
    if not rows:
        raise WorkError(f"trtexec exported a layer profile without layers ({one_line(text, 80) or 'it is empty'})")
    if len(rows) > MOST_ROWS:
        raise WorkError(f"trtexec exported a layer profile of {len(rows):,} layers; at most {MOST_ROWS:,} are read")
    count = count or _count_of(rows)
    return LayerTimes(count, tuple(_row(row, count) for row in rows))


_Raw = dict[str, Any]  # name, time, average and median of a row; None for a number that is none


def _rows(text: str) -> tuple[list[_Raw], int | None]:
    """The rows as trtexec itself writes them, whatever their names hold, and the count before them."""
    rows, place = [], 0
    first = _START.search(text)
    counted = None if first is None else _COUNT.search(text, 0, first.start())
    while (start := _START.search(text, place)) and (end := _END.search(text, start.end())):
        name, place = text[start.end() : end.start()], end.end()
        if '"timeMs"' in name:
            raise WorkError(f"trtexec exported no time of the layer {one_line(name, 80)}: time it again")
        rows.append({"name": name, **{key: _finite(value) for key, value in end.groupdict().items()}})
    if rows and _START.search(text, place):
        raise WorkError(f"the layer profile that trtexec exported is cut off after {len(rows):,} layers: time it again")
    return rows, _whole(None if counted is None else _finite(counted.group(1)))


def _plain_json(text: str) -> tuple[list[_Raw], int | None]:
    """The same from a file that another program wrote again, as JSON of another layout."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return [], None
    entries = [entry for entry in document if isinstance(entry, Mapping)] if isinstance(document, list) else []
    keys = {"time": "timeMs", "average": "averageMs", "median": "medianMs"}
    rows = [
        {"name": str(entry["name"]), **{key: _finite(entry.get(theirs)) for key, theirs in keys.items()}}
        for entry in entries
        if "name" in entry
    ]
    return rows, next((_whole(_finite(entry["count"])) for entry in entries if "count" in entry), None)


def _finite(value: Any) -> float | None:
    """A time in ms; None for what is none, such as the nan that a division by 0 leaves."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < _TOO_LARGE else None


def _whole(value: float | None) -> int | None:
    return int(value) if value else None


def _count_of(rows: Sequence[_Raw]) -> int | None:
    """How many inferences there were, by the row that took longest, where the file does not say so."""
    known = [row for row in rows if row["time"] and row["average"]]
    longest = max(known, key=lambda row: float(row["time"]), default=None)
    return None if longest is None else max(1, round(longest["time"] / longest["average"]))


def _row(row: _Raw, count: int | None) -> Row:
    """`timeMs` is the sum over all inferences; a layer that never ran took 0, whatever its mean is said to be."""
    time, average = row["time"], row["average"]
    ms = 0.0 if time == 0 else time / count if time is not None and count else average
    if ms is None or not math.isfinite(ms):
        raise WorkError(f"trtexec exported no time of the layer {one_line(row['name'], 80)}: time it again")
    return Row(row["name"], ms, row["median"])
