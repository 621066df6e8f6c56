"""A layer profile out of what a tool said of its layers, and what its names stand for. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from engine.boards.layers.matching import Match
from engine.boards.trtexec.layer_times import Row
from engine.storage.timings.layers import LONGEST_NAME, MOST_LABELS, Kind, LayerProfile, LayerTime
from engine.texts import printable

_DIGITS = 6  # of milliseconds: the profiler's own


def with_layers(made: LayerProfile, rows: Sequence[Row], count: int | None, matches: Sequence[Match]) -> LayerProfile:
    """`made` with these rows, one match each; `count` inferences were profiled, None where nobody says."""
    total = sum(row.ms for row in rows)
    named = sum(row.ms for row, match in zip(rows, matches, strict=True) if match.operations)
    return replace(
        made,
        count=count,
        total_ms=round(total, _DIGITS),
        named=round(min(named / total, 1.0), _DIGITS) if total else None,
        layers=tuple(_layer(row, match, total) for row, match in zip(rows, matches, strict=True)),
    )


def _layer(row: Row, match: Match, total: float) -> LayerTime:
    weighted = [each for each in match.operations if each.weights]
    channels = weighted[0].channels if len(weighted) == 1 and not match.copy else None
    return LayerTime(
        name=printable(row.name, LONGEST_NAME),
        kind=_kind(match),
        layers=tuple(printable(label, LONGEST_NAME) for label in match.labels[:MOST_LABELS]),
        operators=match.operators[:MOST_LABELS],
        ms=round(row.ms, _DIGITS),
        median_ms=row.median_ms,
        share=round(min(row.ms / total, 1.0), _DIGITS) if total else 0.0,
        bytes=row.bytes,
        ins=None if channels is None else channels[0],
        outs=None if channels is None else channels[1],
    )


def _kind(match: Match) -> Kind:
    if match.copy:
        return "copy"
    if not match.operations:
        return "unknown"
    return "layer" if any(operation.weights for operation in match.operations) else "operation"
