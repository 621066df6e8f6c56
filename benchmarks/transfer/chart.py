"""The chart of `benchmarks.transfer`: accuracy on the target by MACs kept, a panel for each pair. No torch."""

import math
from collections.abc import Sequence
from html import escape

from benchmarks.transfer.entries import KEEPS
from benchmarks.transfer.table import Series

WIDE, HIGH, LEFT, TOP, GAP = 360, 260, 46, 34, 72  # px of a panel and around it
COLOURS = {
    "one-shot": "#8c8c8c",
    "progressive, source alone": "#c77d2b",
    "progressive with transfer": "#3a6ea5",
    "not adapted, one-shot": "#b0505a",
}
STYLE = "text{font:12px system-ui,sans-serif;fill:#1a1c24}.grid{stroke:#e3e5e8}path{fill:none;stroke-width:1.8}"


def draw(series: Sequence[Series]) -> str:
    """An SVG: solid lines are reconstructed, dashed ones plain cuts; the first mark of a line is the uncut network."""
    pairs = list(dict.fromkeys(each.pair for each in series))
    width = LEFT + len(pairs) * (WIDE + GAP)
    height = TOP + HIGH + 40 + 20 * len(COLOURS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"><style>{STYLE}</style>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, pair in enumerate(pairs):
        parts += _panel(LEFT + number * (WIDE + GAP), pair, [each for each in series if each.pair == pair])
    for number, (name, colour) in enumerate(COLOURS.items()):
        y = TOP + HIGH + 48 + 20 * number
        line = f"M{LEFT},{y - 4}h28"
        parts.append(f'<path d="{line}" stroke="{colour}"/><text x="{LEFT + 36}" y="{y}">{escape(name)}</text>')
    note = "solid: reconstructed; dashed: plain cuts; means over seeds, bars are 95 % intervals"
    parts.append(f'<text x="{LEFT + 260}" y="{TOP + HIGH + 48}">{note}</text></svg>')
    return "\n".join(parts)


def _panel(left: float, pair: str, series: Sequence[Series]) -> list[str]:
    means = [value.mean for each in series for value in each.target.values()]
    low, high = max(0.0, min(means) - 0.05), min(1.0, max(means) + 0.05)
    least = min(KEEPS)

    def x(keep: float) -> float:
        return left + WIDE * (1 - keep) / (1 - least)

    def y(share: float) -> float:
        return TOP + HIGH * (high - min(max(share, low), high)) / (high - low)

    parts = [f'<text x="{left}" y="{TOP - 14}">{escape(pair)}: accuracy on the target by MACs kept</text>']
    for share in (step / 20 for step in range(math.ceil(20 * low), math.floor(20 * high) + 1)):
        parts.append(f'<path class="grid" d="M{left},{y(share):.1f}h{WIDE}"/>')
        parts.append(f'<text x="{left - 40}" y="{y(share) + 4:.1f}">{share:.0%}</text>')
    parts += [f'<text x="{x(keep) - 10:.1f}" y="{TOP + HIGH + 18}">{keep:g}×</text>' for keep in (1.0, *KEEPS)]
    for each in series:
        colour, dash = COLOURS[each.name], "" if each.reconstruct else ' stroke-dasharray="5 4"'
        places = [(x(keep), y(value.mean)) for keep, value in each.target.items()]
        parts.append(f'<path d="M{" L".join(f"{a:.1f},{b:.1f}" for a, b in places)}" stroke="{colour}"{dash}/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        for keep, value in each.target.items():
            if value.low is not None and value.high is not None:
                bar = f"M{x(keep):.1f},{y(value.high):.1f}V{y(value.low):.1f}"
                parts.append(f'<path d="{bar}" stroke="{colour}" stroke-opacity="0.35"/>')
    return parts
