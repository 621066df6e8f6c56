"""A run's points as the index reads them: many lines at once, and no record made of each. No torch.

A line has the fields of a `Point` by the same names and within the same bounds, but for its widths, which most points
have in common with others: their text is read once. `Point` itself says what is wrong with a line that this refuses.
"""

import dataclasses
from collections.abc import Iterator
from functools import cache, lru_cache
from types import GenericAlias
from typing import Any, get_type_hints

import msgspec
from msgspec import Raw

from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.indexing.columns import Widths
from engine.storage.records import earlier
from engine.storage.records.measurement import Latency
from engine.storage.records.point import Point, Reached, Requested
from engine.storage.records.record import Record, Whole

_MOST_KEPT = 64  # texts of widths, of at most so many bytes each
_MOST_BYTES = 1 << 14
_BOTH_WIDTHS = dict[str, tuple[Whole, Whole]]


def described_lines(run: Run, request: RunSpec) -> Iterator[Any]:
    """A run's points as lines, with what earlier versions did not write of them; WorkError when one is damaged.

    `request` is the run's as far as its phases follow from it.
    """
    return earlier.described(_lines(run), request, msgspec.structs.replace)


def _lines(run: Run) -> Iterator[Any]:
    number = 0
    for block in run.point_blocks():
        lines = lines_of(block)
        yield from map(line_of, run.points_of_block(block, number)) if lines is None else lines
        number += block.count(b"\n")


def lines_of(block: bytes) -> list[Any] | None:
    """The points in lines of JSON; None where one of them is not as it should be."""
    try:
        lines: list[Any] = _reader().decode_lines(block)
        for line in lines:
            if line.top1 is None and (line.step is None or line.final):
                return None
            text = bytes(line.widths)
            line.widths = _known_widths(text) if len(text) <= _MOST_BYTES else _widths(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return lines if len(lines) == block.count(b"\n") else None  # an empty line is none


def line_of(point: Point) -> Any:
    """A point as a line of it would have been read."""
    return _line_type()(**{**vars(point), "widths": Widths.of(point.widths)})


def _widths(text: bytes) -> Widths:
    return Widths.of(_reader_of_widths().decode(text))


_known_widths = lru_cache(maxsize=_MOST_KEPT)(_widths)


@cache  # made on first use, as it takes milliseconds
def _line_type() -> Any:
    inner = {
        "asked": (_struct_of(Requested) | None, None),
        "got": (_struct_of(Reached),),
        "latency": (GenericAlias(tuple, (_struct_of(Latency), ...)), ()),
        "widths": (Raw, Raw(b"{}")),
    }
    return _struct_of(Point, **inner)


@cache
def _reader() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_line_type())


@cache
def _reader_of_widths() -> msgspec.json.Decoder[_BOTH_WIDTHS]:
    return msgspec.json.Decoder(_BOTH_WIDTHS)


def _struct_of(kind: type[Record], **others: tuple[Any, ...]) -> Any:
    """A struct with the fields of a record: msgspec makes one several times as fast. Some are of `others`' types."""
    hints = get_type_hints(kind, include_extras=True)
    own: dict[str, tuple[Any, ...]] = {
        field.name: (hints[field.name],) if field.default is dataclasses.MISSING else (hints[field.name], field.default)
        for field in dataclasses.fields(kind)
    }
    fields = [(name, *rest) for name, rest in (own | others).items()]
    return msgspec.defstruct(f"{kind.__name__}Line", fields, kw_only=True, gc=False)
