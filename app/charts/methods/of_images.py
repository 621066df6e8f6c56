"""What criteria look at that show images to the network: gradients, feature maps, and what happens without a block."""

from math import exp

from app.charts.methods.pen import Pen, Point, picture

_BRIGHT = ((0.2, 0.8, 0.9, 0.3), (0.6, 1.0, 0.7, 0.2), (0.3, 0.9, 0.8, 0.5), (0.1, 0.4, 0.6, 0.2))
_DARK = ((0.0, 0.1, 0.0, 0.0), (0.1, 0.2, 0.1, 0.0), (0.0, 0.1, 0.0, 0.1), (0.0, 0.0, 0.1, 0.0))
_STRIPES = ((0.9, 0.2, 0.9, 0.2),) * 4
_MIXED = ((0.9, 0.2, 0.5, 0.1), (0.1, 0.8, 0.3, 0.6), (0.6, 0.1, 0.9, 0.4), (0.3, 0.7, 0.2, 0.9))


def _valley(x: float) -> float:
    """The height of a loss over a weight, in the drawing."""
    return 40 + 0.004 * (x - 150) ** 2


def _loss(pen: Pen) -> str:
    points: list[Point] = [(float(x), 96 - _valley(x)) for x in range(36, 232, 7)]
    return pen.line((24, 88), (232, 88), width=0.8) + pen.line(*points, width=2, colour=pen.colour)


def taylor(pen: Pen) -> str:
    """A loss over a weight, and its slope where the weight is."""
    at = (185.0, 96 - _valley(185))
    far = (60.0, at[1] + 2 * 0.004 * (185 - 150) * (185 - 60))
    return picture(
        _loss(pen),
        pen.line(at, far, dashed=True),
        pen.circle(*at, 5, fill=pen.ink),
        pen.line((60, 88), (60, 8), width=0.8),
        pen.text(60, 102, "weight 0", size=10),
        pen.text(185, 102, "weight now", size=10),
        pen.text(92, 18, "loss, and its slope here", size=10, anchor="start"),
    )


def obd(pen: Pen) -> str:
    """A loss over a weight at its lowest, and how steeply it is curved."""
    bottom = (150.0, 96 - _valley(150))
    lifted = (60.0, 96 - _valley(60))
    return picture(
        _loss(pen),
        pen.circle(*bottom, 5, fill=pen.ink),
        pen.line((60, 88), (60, 8), width=0.8),
        pen.arrow((60, bottom[1]), lifted, width=2.5),
        pen.line((60, bottom[1]), bottom, dashed=True, width=0.9),
        pen.text(60, 102, "weight 0", size=10),
        pen.text(150, 102, "weight now", size=10),
        pen.text(92, 18, "loss, and how it would rise", size=10, anchor="start"),
    )


def feature_taylor(pen: Pen) -> str:
    """A feature map times its gradient."""
    return picture(
        pen.tiles(14, 12, 15, _BRIGHT),
        pen.text(90, 48, "×", size=18),
        pen.tiles(106, 12, 15, _MIXED),
        pen.text(182, 48, "=", size=18),
        pen.kept(200, 14, 22, 58),
        pen.text(44, 94, "map"),
        pen.text(136, 94, "gradient"),
        pen.text(211, 94, "score"),
    )


def gate_taylor(pen: Pen) -> str:
    """A knob, and the loss as it is turned."""
    curve: list[Point] = [(float(x), 74 - 52 * exp(-((x - 128) / 26.0))) for x in range(128, 228, 6)]
    return picture(
        pen.knob(52, 46, 22, 0.7),
        pen.text(52, 90, "scale"),
        pen.arrow((82, 46), (112, 46)),
        pen.line((124, 78), (230, 78), width=0.8),
        pen.line(*[(x, 96 - y) for x, y in curve], width=2, colour=pen.colour),
        pen.text(176, 94, "loss as it closes"),
    )


def activation(pen: Pen) -> str:
    """A bright map that stays and a dark one that goes."""
    return picture(
        pen.tiles(30, 8, 17, _BRIGHT),
        pen.tiles(142, 8, 17, _DARK),
        pen.text(64, 96, "answers: stays"),
        pen.text(176, 96, "silent: goes"),
    )


def feature_rank(pen: Pen) -> str:
    """A map of equal rows that goes and one of different rows that stays."""
    return picture(
        pen.tiles(30, 8, 17, _MIXED),
        pen.tiles(142, 8, 17, _STRIPES),
        pen.text(64, 96, "rank 4: stays"),
        pen.text(176, 96, "rank 1: goes"),
    )


def obs(pen: Pen) -> str:
    """A unit reads four channels; one goes and the others make up for it."""
    parts = [pen.circle(196, 48, 16, fill=pen.colour)]
    for number, width in enumerate((3.6, 2.8, 0.0, 4.4)):
        y = 12.0 + 24 * number
        parts += [(pen.kept if width else pen.gone)(20, y - 7, 44, 14)]
        end = (180.0, 48 + (y - 48) * 0.2)
        parts += [pen.arrow((68, y), end, width=width) if width else pen.line((68, y), end, dashed=True, width=1)]
    return picture(*parts, pen.text(196, 94, "made up for"))


def _chain(pen: Pen, y: float) -> str:
    """Four blocks in a row, of which the third is passed by."""
    parts = [(pen.gone if number == 2 else pen.kept)(12 + 40 * number, y, 28, 26) for number in range(4)]
    parts.append(pen.line((40, y + 13), (52, y + 13), width=1.6))
    by = pen.line((80, y + 13), (86, y + 13), (86, y - 8), (126, y - 8), (126, y + 13), (132, y + 13), width=1.6)
    return "".join(parts) + by


def accuracy(pen: Pen) -> str:
    """A network that is measured without one block: how many are right."""
    gauge = pen.box(188, 14, 18, 64) + pen.kept(188, 14 + 64 * 0.15, 18, 64 * 0.85)
    lost = pen.gone(188, 14, 18, 64 * 0.15)
    return picture(_chain(pen, 38), gauge, lost, pen.text(197, 96, "right"), pen.text(84, 96, "without one block"))


def loss(pen: Pen) -> str:
    """A network that is measured without one block: how its loss grows."""
    bars = pen.kept(182, 50, 16, 28) + pen.kept(206, 22, 16, 56)
    arrow = pen.arrow((228, 50), (228, 22))
    return picture(_chain(pen, 38), bars, arrow, pen.text(202, 96, "loss"), pen.text(84, 96, "without one block"))


def divergence(pen: Pen) -> str:
    """The network's answers with all blocks and without one, side by side."""
    before, after = (10, 52, 18, 8), (16, 36, 26, 10)
    parts = []
    for number, (one, other) in enumerate(zip(before, after, strict=True)):
        left = 132.0 + 26 * number
        parts += [pen.kept(left, 78 - one, 9, one), pen.box(left + 10, 78 - other, 9, other, fill=pen.ink, opacity=0.4)]
    chain = [(pen.gone if number == 2 else pen.kept)(10 + 28 * number, 38, 20, 26) for number in range(4)]
    words = pen.text(180, 96, "answers, before and after", size=9)
    return picture(*chain, *parts, pen.line((126, 78), (234, 78)), words)


def cka(pen: Pen) -> str:
    """Which images look alike to the network, with all blocks and without one."""
    alike = ((1.0, 0.8, 0.1, 0.2), (0.8, 1.0, 0.2, 0.1), (0.1, 0.2, 1.0, 0.7), (0.2, 0.1, 0.7, 1.0))
    other = ((1.0, 0.5, 0.4, 0.2), (0.5, 1.0, 0.2, 0.4), (0.4, 0.2, 1.0, 0.3), (0.2, 0.4, 0.3, 1.0))
    return picture(
        pen.tiles(30, 8, 17, alike),
        pen.text(120, 48, "≈ ?", size=16),
        pen.tiles(142, 8, 17, other),
        pen.text(64, 94, "all blocks"),
        pen.text(176, 94, "without one"),
    )
