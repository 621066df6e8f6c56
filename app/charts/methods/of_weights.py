"""What criteria look at that read the weights alone, or nothing."""

from app.charts.methods.pen import Pen, picture

_FILTERS = (
    ((0.9, 0.5, 0.7), (0.6, 1.0, 0.4), (0.8, 0.5, 0.9)),
    ((0.1, 0.2, 0.1), (0.2, 0.3, 0.1), (0.1, 0.1, 0.2)),
    ((0.5, 0.7, 0.4), (0.3, 0.8, 0.6), (0.4, 0.5, 0.6)),
    ((0.2, 0.4, 0.3), (0.5, 0.4, 0.2), (0.3, 0.3, 0.4)),
)


def random(pen: Pen) -> str:
    """Channels of which some go, without a pattern."""
    heights, lost = (52, 30, 61, 44, 25, 58, 38, 49), {0, 3, 5}
    bars = [
        (pen.gone if number in lost else pen.kept)(14 + 27 * number, 84 - height, 20, height)
        for number, height in enumerate(heights)
    ]
    return picture(*bars, pen.line((8, 84), (232, 84)), pen.text(120, 100, "any of them, by lot"))


def l1(pen: Pen) -> str:
    """Filters as tiles, above a bar for the sum of each."""
    parts = []
    for number, tiles in enumerate(_FILTERS):
        left, total = 14 + 57 * number, sum(map(sum, tiles))
        bar = pen.gone if total < 2 else pen.kept
        parts += [pen.tiles(left, 6, 13, tiles), bar(left, 58, max(3.0, 6.5 * total), 12)]
    return picture(*parts, pen.text(120, 92, "sum of all sizes"))


def l2(pen: Pen) -> str:
    """A filter as an arrow whose length counts."""
    origin, tip = (40.0, 84.0), (128.0, 24.0)
    short = (66.0, 70.0)
    return picture(
        pen.line((16, 84), (224, 84), width=0.8),
        pen.line((40, 8), (40, 92), width=0.8),
        pen.line((128, 84), tip, dashed=True, width=0.9),
        pen.arrow(origin, tip, width=3, colour=pen.colour),
        pen.arrow(origin, short, width=3),
        pen.text(140, 30, "long: stays", anchor="start"),
        pen.text(76, 74, "short: goes", anchor="start"),
        pen.text(84, 99, "weight 1"),
        pen.text(28, 14, "2"),
    )


def bn_scale(pen: Pen) -> str:
    """A knob behind each channel; one is turned down."""
    parts = []
    for number, turn in enumerate((0.9, 0.05, 0.7, 0.4)):
        y = 14.0 + 23 * number
        parts += [
            (pen.gone if turn < 0.1 else pen.kept)(14, y - 7, 44, 14),
            pen.line((58, y), (104, y), width=1),
            pen.knob(116, y, 9, turn),
            pen.line((126, y), (172, y), width=0.5 + 4 * turn),
            pen.text(178, y + 4, "loud" if turn > 0.5 else "off: goes" if turn < 0.1 else "quiet", anchor="start"),
        ]
    return picture(*parts)


def fpgm(pen: Pen) -> str:
    """Filters as points; the one in the middle of all others goes."""
    points = [(42, 26), (70, 82), (150, 88), (196, 62), (186, 20), (98, 16)]
    middle = (124.0, 52.0)
    parts = [pen.line(middle, point, width=0.7, dashed=True) for point in points]
    parts += [pen.circle(x, y, 7, fill=pen.colour) for x, y in points]
    parts += [pen.circle(*middle, 8, fill="url(#gone)"), pen.text(124, 74, "replaceable")]
    return picture(*parts)


def lamp(pen: Pen) -> str:
    """Sorted bars; each is divided by itself and those that are longer."""
    heights = (12, 20, 32, 46, 62)
    parts = []
    for number, height in enumerate(heights):
        left = 24.0 + 40 * number
        bar = pen.gone if number == 0 else pen.kept
        parts.append(bar(left, 76 - height, 26, height))
    bracket = pen.line((64, 86), (64, 90), (210, 90), (210, 86), width=1.2)
    return picture(*parts, pen.line((14, 76), (226, 76)), bracket, pen.text(137, 102, "its share of these", size=10))
