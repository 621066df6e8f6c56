"""Shapes of small drawings: lines follow the theme, one colour tells what is measured, hatching what goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

from app.theme import NEUTRAL

WIDTH, HEIGHT = 240, 104  # of a drawing
Point = tuple[float, float]


@dataclass(frozen=True)
class Pen:
    """What draws in the ink of a theme and in one colour."""

    ink: str
    colour: str

    def box(self, x: float, y: float, width: float, height: float, *, fill: str = "none", opacity: float = 1.0) -> str:
        """A rectangle with a thin outline."""
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        return f'<rect {place} fill="{fill}" fill-opacity="{opacity:.2f}" stroke="{NEUTRAL}" stroke-width="0.8"/>'

    def kept(self, x: float, y: float, width: float, height: float, opacity: float = 1.0) -> str:
        """One that stays."""
        return self.box(x, y, width, height, fill=self.colour, opacity=opacity)

    def gone(self, x: float, y: float, width: float, height: float) -> str:
        """One that goes."""
        return self.box(x, y, width, height, fill="url(#gone)")

    def line(self, *points: Point, width: float = 1.4, dashed: bool = False, colour: str | None = None) -> str:
        """A line through some points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        return f'<polyline points="{places}" fill="none" stroke="{colour or self.ink}" stroke-width="{width}"{dash}/>'

    def arrow(self, start: Point, end: Point, *, width: float = 1.4, colour: str | None = None) -> str:
        """A straight arrow."""
        length = max(((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5, 1e-6)
        along = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
        wings = [
            (end[0] - 6 * along[0] + side * 3.5 * along[1], end[1] - 6 * along[1] - side * 3.5 * along[0])
            for side in (1, -1)
        ]
        head = self.line(wings[0], end, wings[1], width=width, colour=colour)
        return self.line(start, end, width=width, colour=colour) + head

    def circle(self, x: float, y: float, radius: float, *, fill: str = "none", opacity: float = 1.0) -> str:
        """A circle with a thin outline."""
        place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"'
        return f'<circle {place} fill="{fill}" fill-opacity="{opacity:.2f}" stroke="{self.ink}" stroke-width="1"/>'

    def knob(self, x: float, y: float, radius: float, turn: float) -> str:
        """A knob that is turned up from 0 to 1."""
        angle = pi * (1.25 - 1.5 * turn)
        tip = (x + radius * cos(angle), y - radius * sin(angle))
        return self.circle(x, y, radius, fill=self.colour, opacity=0.15 + 0.85 * turn) + self.line((x, y), tip, width=2)

    def text(self, x: float, y: float, words: str, *, size: float = 11, anchor: str = "middle") -> str:
        """A word or two; `y` is the base line. Words are ours: they are not escaped."""
        style = f'font-family="sans-serif" font-size="{size}" text-anchor="{anchor}" fill="{self.ink}"'
        return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'

    def tiles(self, x: float, y: float, size: float, shades: Sequence[Sequence[float]]) -> str:
        """A grid of squares, from nothing (0) to full colour (1)."""
        return "".join(
            self.kept(x + column * size, y + row * size, size, size, shade)
            for row, line in enumerate(shades)
            for column, shade in enumerate(line)
        )

    def skyline(self, x: float, bottom: float, kept: Sequence[float], *, height: float = 44, step: float = 8) -> str:
        """Bars of a network's layers: the share that each keeps of its height; 0 for one that is gone."""
        parts = []
        for number, share in enumerate(kept):
            full = height * (0.55 + 0.45 * number / max(1, len(kept) - 1))
            left = x + number * step
            if share:
                parts.append(self.kept(left, bottom - full * share, step * 0.75, full * share))
                parts.append(self.box(left, bottom - full, step * 0.75, full))
            else:
                parts.append(self.gone(left, bottom - full, step * 0.75, full))
        return "".join(parts)


def picture(*parts: str) -> str:
    """The drawing as an SVG."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        '<defs><pattern id="gone" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="1.4" height="4" fill="{NEUTRAL}"/></pattern></defs>' + "".join(parts) + "</svg>"
    )
