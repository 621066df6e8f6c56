"""The critical-difference diagram of Demšar 2006 as text and as an SVG: mean ranks, and bars over what is alike."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from engine.comparison.analysis import ALPHA, Comparison
from engine.errors import RequestError
from engine.statistics.ranks import cliques
from engine.texts import one_line

_LONGEST_NAME = 60  # characters
_ROW, _TOP, _BAR = 24.0, 70.0, 12.0  # px
_AXIS, _TICK, _LETTER, _GAP = 320.0, 28.0, 7.5, 36.0  # px: the least of an axis, and of what a rank, a letter need
_STYLE = """
text{font:14px system-ui,sans-serif;fill:#1a1c24}
line{stroke:#1a1c24;stroke-width:1.3}.bar{stroke:#3a6ea5;stroke-width:5}
@media (prefers-color-scheme:dark){text{fill:#fafafa}line{stroke:#fafafa}.bar{stroke:#7fb0e6}}
"""


@dataclass(frozen=True)
class Diagram:
    """Kinds with their mean ranks, best first, and for each bar the first and the last place that it covers."""

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    bars: tuple[tuple[int, int], ...]
    difference: float


def diagram(comparison: Comparison) -> Diagram:
    """What is drawn; RequestError where there are no ranks. Where Friedman's test finds nothing one bar covers all."""
    test = comparison.ranks
    if test is None:
        raise RequestError(
            "there is no critical-difference diagram of fewer than three kinds of runs or two problems (a problem is a "
            "target of a network on its images); leave --svg out"
        )
    order = sorted(range(len(test.ranks)), key=lambda place: test.ranks[place])
    ranks = tuple(test.ranks[place] for place in order)
    bars = (
        [(0, len(ranks) - 1)] if test.p >= ALPHA else [_ends(each) for each in cliques(ranks, test.critical_difference)]
    )
    names = tuple(one_line(comparison.kinds[place].name, _LONGEST_NAME) for place in order)
    return Diagram(names, ranks, tuple(bars), test.critical_difference)


def lines(drawn: Diagram) -> list[str]:
    """A line for each kind: its mean rank, a column for each bar that covers it, its name."""
    return [
        f"{rank:6.2f}  {''.join('│' if low <= place <= high else ' ' for low, high in drawn.bars)}  {name}"
        for place, (rank, name) in enumerate(zip(drawn.ranks, drawn.names, strict=True))
    ]


def svg(drawn: Diagram) -> str:
    """The picture, which follows the reader's light or dark theme: the better half is named on the left."""
    frame = _Frame.around(drawn)
    parts = [*_axis(frame), *_critical(frame, drawn.difference)]
    for number, (low, high) in enumerate(drawn.bars):
        y = _TOP + _BAR * (number + 1)
        parts.append(_line(frame.x(drawn.ranks[low]) - 3, y, frame.x(drawn.ranks[high]) + 3, y, "bar"))
    half = (frame.count + 1) // 2
    below = _TOP + _BAR * (len(drawn.bars) + 1)
    for place, (rank, name) in enumerate(zip(drawn.ranks, drawn.names, strict=True)):
        y = below + _ROW * (min(place, frame.count - 1 - place) + 0.5)
        parts += _name(frame, rank, y, f"{name} {rank:.2f}", on_left=place < half)
    body = "\n".join(parts)
    names = ", ".join(html.escape(name) for name in drawn.names)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width:.0f} {below + _ROW * (half + 1):.0f}" '
        f'role="img" aria-label="Mean ranks, best first: {names}">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


@dataclass(frozen=True)
class _Frame:
    """Where the axis of `count` ranks lies, with room for names on both sides."""

    count: int
    margin: float
    axis: float

    @classmethod
    def around(cls, drawn: Diagram) -> Self:
        count = len(drawn.names)
        return cls(
            count, _LETTER * (max(map(len, drawn.names)) + len(" 10.00")) + _GAP, max(_AXIS, _TICK * (count - 1))
        )

    @property
    def width(self) -> float:
        return 2 * self.margin + self.axis

    def x(self, rank: float) -> float:
        return self.margin + self.axis * (rank - 1) / (self.count - 1)


def _ends(places: Sequence[int]) -> tuple[int, int]:
    return min(places), max(places)


def _axis(frame: _Frame) -> list[str]:
    parts = [_line(frame.x(1), _TOP, frame.x(frame.count), _TOP)]
    for rank in range(1, frame.count + 1):
        x = frame.x(rank)
        parts += [_line(x, _TOP - 6, x, _TOP), _text(x, _TOP - 11, str(rank), "middle")]
    return parts


def _critical(frame: _Frame, difference: float) -> list[str]:
    """The critical difference to scale, above the axis; cut at its end where it is longer."""
    start, end = frame.x(1), frame.x(1 + min(difference, frame.count - 1))
    ends = [_line(x, 28, x, 40) for x in (start, end)]
    return [_line(start, 34, end, 34), *ends, _text(start, 20, f"critical difference {difference:.2f}", "start")]


def _name(frame: _Frame, rank: float, y: float, words: str, *, on_left: bool) -> list[str]:
    """A line from a rank down to its height and out to a side, and the name there."""
    x, side = frame.x(rank), -1 if on_left else 1
    edge = frame.x(1 if on_left else frame.count) + 20 * side
    return [
        _line(x, _TOP, x, y),
        _line(x, y, edge, y),
        _text(edge + 6 * side, y + 5, words, "end" if on_left else "start"),
    ]


def _line(x1: float, y1: float, x2: float, y2: float, name: str = "") -> str:
    kind = f' class="{name}"' if name else ""
    return f'<line{kind} x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'
