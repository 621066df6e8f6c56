"""Numbers as people read them. No torch."""

import math
from collections.abc import Iterable


def si(number: float, unit: str = "") -> str:
    """Three significant figures with an SI prefix: 20300000 → 20.3 M; a whole number below 1000 as it is: 16."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * factor:  # from here on three figures round up to the next prefix
            return f"{three(number / factor)} {prefix}{unit}"
    text = f"{number:.0f}" if number == int(number) else three(number)
    return f"{text} {unit}".rstrip()


def three(number: float) -> str:
    """Three significant figures, without an exponent: 0.492, 9.50, 99.9, 1234."""
    rounded = float(f"{number:.3g}")
    whole_digits = math.floor(math.log10(abs(rounded))) + 1 if rounded else 1
    return f"{number if whole_digits > 3 else rounded:.{max(0, 3 - whole_digits)}f}"


def dimensions(sizes: Iterable[int]) -> str:
    """A shape in words: 3×32×32; () of a single number."""
    return "×".join(str(size) for size in sizes) or "()"


def duration(seconds: float) -> str:
    """A duration in words: 45 s, 4 min, 1 h 20 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    total = round(seconds / 60)
    return f"{total} min" if total < 60 else f"{total // 60} h {total % 60} min"
