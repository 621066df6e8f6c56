"""The critical-difference diagram of Demšar 2006 as text and as an SVG: mean ranks, and bars over what is alike."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from engine.comparison.analysis import ALPHA, Comparison
from engine.errors import RequestError
from engine.statistics.ranks import cliques
from engine.texts import one_line

_LONGEST_NAME = 60  # characters
_WIDE, _LEFT, _ROW, _TOP, _BAR = 760.0, 230.0, 24.0, 70.0, 12.0  # px
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
    count = len(drawn.names)
    half = (count + 1) // 2
    bottom = _TOP + _BAR * (len(drawn.bars) + 1)
    height = bottom + _ROW * (half + 1)
    parts = [*_axis(count), *_critical(drawn)]
    for number, (low, high) in enumerate(drawn.bars):
        y = _TOP + _BAR * (number + 1)
        parts.append(_line(_x(drawn.ranks[low], count) - 3, y, _x(drawn.ranks[high], count) + 3, y, "bar"))
    for place, (rank, name) in enumerate(zip(drawn.ranks, drawn.names, strict=True)):
        on_left = place < half
        y = bottom + _ROW * (place if on_left else count - 1 - place) + _ROW / 2
        edge = _LEFT - 20 if on_left else _WIDE - _LEFT + 20
        x = _x(rank, count)
        parts += [_line(x, _TOP, x, y), _line(x, y, edge, y)]
        parts.append(_text(edge + (-6 if on_left else 6), y + 5, f"{name} {rank:.2f}", "end" if on_left else "start"))
    body = "\n".join(parts)
    names = ", ".join(html.escape(name) for name in drawn.names)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE:.0f} {height:.0f}" role="img" '
        f'aria-label="Mean ranks, best first: {names}">\n<style>{_STYLE}</style>\n{body}\n</svg>\n'
    )


def _ends(places: Sequence[int]) -> tuple[int, int]:
    return min(places), max(places)


def _x(rank: float, count: int) -> float:
    return _LEFT + (_WIDE - 2 * _LEFT) * (rank - 1) / (count - 1)


def _axis(count: int) -> list[str]:
    parts = [_line(_LEFT, _TOP, _WIDE - _LEFT, _TOP)]
    for rank in range(1, count + 1):
        x = _x(rank, count)
        parts += [_line(x, _TOP - 6, x, _TOP), _text(x, _TOP - 11, str(rank), "middle")]
    return parts


def _critical(drawn: Diagram) -> list[str]:
    """The critical difference to scale, above the axis; cut at its end where it is longer."""
    count = len(drawn.names)
    end = _x(1 + min(drawn.difference, count - 1), count)
    ends = [_line(x, 28, x, 40) for x in (_LEFT, end)]
    return [_line(_LEFT, 34, end, 34), *ends, _text(_LEFT, 20, f"critical difference {drawn.difference:.2f}", "start")]


def _line(x1: float, y1: float, x2: float, y2: float, name: str = "") -> str:
    kind = f' class="{name}"' if name else ""
    return f'<line{kind} x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'
