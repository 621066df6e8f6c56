"""What orders and methods do to a network, and how what is left gets its accuracy back."""

from collections.abc import Sequence

from app.charts.methods.pen import Pen, picture

_FULL = (1.0,) * 7
_NO_BLOCKS = (1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)
_NARROW = (0.7, 0.6, 0.5, 0.6, 0.5, 0.4, 0.6)
_BOTH = (0.8, 0.7, 0.0, 0.7, 0.6, 0.0, 0.7)


def _sequence(pen: Pen, *steps: tuple[Sequence[float], str]) -> str:
    """Skylines one after the other, with a word below each."""
    parts, room = [], 240 / len(steps)
    step = 7.4 if len(steps) == 3 else 10
    for number, (kept, words) in enumerate(steps):
        width = step * len(kept)
        left = room * number + (room - width) / 2
        parts += [pen.skyline(left, 74, kept, height=58, step=step), pen.text(left + width / 2, 94, words, size=10)]
        if number:
            parts.append(pen.arrow((room * number - 9, 48), (room * number + 9, 48)))
    return picture(*parts)


def layers_channels(pen: Pen) -> str:
    """Blocks go, then channels."""
    return _sequence(pen, (_FULL, "whole"), (_NO_BLOCKS, "1 layers"), (_BOTH, "2 channels"))


def channels_layers(pen: Pen) -> str:
    """Channels go, then blocks."""
    mild = tuple(share + 0.15 for share in _NARROW)
    both = tuple(0.0 if number in (2, 5) else share for number, share in enumerate(mild))
    return _sequence(pen, (_FULL, "whole"), (mild, "1 channels"), (both, "2 layers"))


def layers(pen: Pen) -> str:
    """Blocks go."""
    return _sequence(pen, (_FULL, "whole"), (_NO_BLOCKS, "fewer layers"))


def channels(pen: Pen) -> str:
    """Channels go."""
    return _sequence(pen, (_FULL, "whole"), (_NARROW, "narrower layers"))


def alternate(pen: Pen) -> str:
    """A block or as much in channels, whichever hurts less, again and again."""
    return picture(
        pen.skyline(8, 70, _FULL, height=52, step=7.4),
        pen.arrow((66, 44), (88, 26)),
        pen.arrow((66, 48), (88, 72)),
        pen.skyline(94, 42, _NO_BLOCKS, height=34, step=7.4),
        pen.skyline(94, 94, _NARROW, height=34, step=7.4),
        pen.text(154, 32, "a block", size=10, anchor="start"),
        pen.text(154, 84, "or channels", size=10, anchor="start"),
        pen.text(194, 58, "what hurts less", size=10),
    )


def one_shot(pen: Pen) -> str:
    """One look at all scores, one cut."""
    heights = (66, 58, 52, 45, 37, 30, 22, 15)
    bars = [
        (pen.kept if number < 5 else pen.gone)(16 + 26 * number, 80 - height, 19, height)
        for number, height in enumerate(heights)
    ]
    cut = pen.line((143, 6), (143, 90), dashed=True, width=2)
    return picture(*bars, pen.line((8, 80), (232, 80)), cut, pen.text(190, 24, "all at once"))


def direct(pen: Pen) -> str:
    """Each block is left out in turn; the one that is missed least goes."""
    parts = []
    for row, share in enumerate((0.5, 0.9, 0.65)):
        y = 6.0 + 28 * row
        parts += [(pen.gone if number == row + 1 else pen.kept)(10 + 24 * number, y, 18, 20) for number in range(5)]
        parts += [pen.box(134, y + 4, 54, 12), pen.kept(134, y + 4, 54 * share, 12)]
        parts += [pen.text(193, y + 14, "this one" if row == 1 else "", size=10, anchor="start")]
    return picture(*parts, pen.text(68, 100, "without each", size=10), pen.text(161, 100, "accuracy", size=10))


def progressive(pen: Pen) -> str:
    """Attempt, select, prune, and again."""
    parts = []
    for number, words in enumerate(("attempt", "select", "prune")):
        left = 10.0 + 80 * number
        kept = ((0.9, 0.9, 0.9), (1.0, 0.9, 1.0), (1.0, 0.85, 1.0))[number]
        parts += [pen.skyline(left + 12, 58, kept, height=44, step=13), pen.text(left + 31, 74, words, size=10)]
        if number:
            parts.append(pen.arrow((left - 22, 36), (left - 2, 36)))
    loop = pen.line((201, 80), (201, 94), (41, 94), width=1.2) + pen.arrow((41, 94), (41, 80))
    return picture(*parts, loop, pen.text(120, 91, "again, from here", size=9))


def reconstruct(pen: Pen) -> str:
    """A line through points: the best that the rest can do."""
    points = [(36, 78), (62, 60), (88, 64), (112, 44), (140, 46), (166, 24), (196, 26)]
    parts = [pen.line((x, y), (x, 84 - 0.36 * (x - 20)), width=0.9, dashed=True) for x, y in points]
    parts += [pen.circle(x, y, 4, fill=pen.ink) for x, y in points]
    fit = pen.line((20, 84), (222, 11), width=2.6, colour=pen.colour)
    words = (pen.text(160, 76, "values of the whole network:", size=10), pen.text(160, 90, "as near as can be"))
    return picture(*parts, fit, *words)


def recover(pen: Pen) -> str:
    """Steps down the slope of the loss."""
    curve = [(float(x), 12 + 64 * (1 - (1 - (x - 20) / 200) ** 2)) for x in range(20, 222, 8)]
    balls = [pen.circle(x, 12 + 64 * (1 - (1 - (x - 20) / 200) ** 2) - 6, 5, fill=pen.ink) for x in (36, 76, 122, 176)]
    return picture(pen.line(*curve, width=2.4, colour=pen.colour), *balls, pen.text(120, 98, "loss, step by step"))


def distil(pen: Pen) -> str:
    """The whole network's answers teach the pruned one."""
    return picture(
        pen.skyline(12, 72, _FULL, height=56, step=9),
        pen.skyline(166, 72, _BOTH, height=40, step=9),
        pen.arrow((88, 44), (154, 44), width=2.2),
        pen.text(121, 36, "its answers", size=10),
        pen.text(43, 92, "teacher"),
        pen.text(196, 92, "pupil"),
    )


def reestimate_bn(pen: Pen) -> str:
    """Statistics that no longer fit are measured anew."""
    old = [(float(x), 78 - 56 / (1 + ((x - 80) / 26) ** 4)) for x in range(16, 226, 6)]
    new = [(float(x), 78 - 56 / (1 + ((x - 150) / 34) ** 4)) for x in range(16, 226, 6)]
    return picture(
        pen.line((12, 78), (230, 78), width=0.8),
        pen.line(*old, dashed=True, width=1.2),
        pen.line(*new, width=2.2, colour=pen.colour),
        pen.arrow((92, 14), (138, 14)),
        pen.text(70, 94, "as noted", size=10),
        pen.text(162, 94, "as it is now", size=10),
    )
