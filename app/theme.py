"""The one visual language: which colour, symbol and wording each thing has on every page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypedDict
from zlib import crc32

import streamlit as st

from engine.spec.catalog import CRITERIA

# Okabe & Ito's palette without its black, then others that stay apart from it, grey for the control.
CRITERION_COLOURS: dict[str, str] = {
    "random": "#8C8C8C",
    "l1": "#E69F00",
    "l2": "#D55E00",
    "bn_scale": "#0072B2",
    "fpgm": "#CC79A7",
    "lamp": "#56B4E9",
    "taylor": "#009E73",
    "feature_taylor": "#BBDD99",
    "gate_taylor": "#005500",
    "obd": "#F0E442",
    "activation": "#9A6A3A",
    "feature_rank": "#7A6FD0",
    "obs": "#0000FF",
    "accuracy": "#C2185B",
    "loss": "#7D8F00",
    "divergence": "#D400D4",
    "cka": "#00A3AD",
}
# For criteria without a colour above: far from those and from each other, on light and on dark (35 and more in Lab).
MORE_COLOURS = (
    *("#00EE00", "#00EE88", "#2233CC", "#FF0033", "#880077"),
    *("#FFBBAA", "#009900", "#FF88FF", "#FF11AA"),
)
ORDER_SYMBOLS: dict[str, str] = {
    "layers-channels": "circle",
    "channels-layers": "diamond",
    "layers": "square",
    "channels": "triangle-up",
    "alternate": "star",
}
OTHER_SYMBOL = "x"  # of an order that this version does not know
BASELINE_SYMBOL, BEST_SYMBOL = "bowtie", "hexagram-open"  # no order's
INT8_SYMBOL = "cross"
STAGE_MARKS = {"pruned": "-open", "reconstructed": "-open-dot"}  # hollow, with a dot in it, and filled once recovered
CHANCE_SYMBOL = "circle-x-open"  # whatever its order
ALARM = "#E02020"  # no criterion's
BadgeColour = Literal["blue", "gray", "green", "red", "orange"]
STATE_LOOK: dict[str, tuple[str, str, BadgeColour]] = {
    "running": ("running", ":material/play_arrow:", "blue"),
    "queued": ("queued", ":material/schedule:", "gray"),
    "done": ("done", ":material/check:", "green"),
    "failed": ("failed", ":material/error:", "red"),
    "cancelled": ("cancelled", ":material/cancel:", "gray"),
    "interrupted": ("interrupted", ":material/pause:", "orange"),
}
NEUTRAL = "#8C8C8C"
EDGE = "#606060"  # around filled marks, on light and on dark


@dataclass(frozen=True)
class Ink:
    """The colours that must follow light and dark: text-like lines and the page behind them."""

    line: str
    paper: str


LIGHT = Ink(line="#1a1c24", paper="#ffffff")
DARK = Ink(line="#fafafa", paper="#000000")


class Emphasis(TypedDict):
    """What of a button says that it is the page's main one."""

    label: str
    type: Literal["primary", "secondary"]


def ink() -> Ink:
    """The ink of the theme that the browser shows now."""
    return DARK if is_dark() else LIGHT


def is_dark() -> bool:
    """Whether the browser shows the dark theme now."""
    return st.context.theme.type == "dark"


def emphasis(label: str) -> Emphasis:
    """How the main button looks that has a shortcut beside its label.

    A shortcut is written at 60 %, which cannot be read on the dark theme's primary colour: there the label has colour.
    """
    if is_dark():
        return {"label": f":green[**{label}**]", "type": "secondary"}
    return {"label": label, "type": "primary"}


def criterion_colour(criterion: str) -> str:
    """The colour of a criterion; an ensemble (`a+b`) mixes its members' colours in equal parts."""
    more = dict(_more_colours())
    members = [_rgb(CRITERION_COLOURS.get(name) or more.get(name, NEUTRAL)) for name in criterion.split("+")]
    means = (round(sum(channel) / len(members)) for channel in zip(*members, strict=True))
    return "#" + "".join(f"{value:02X}" for value in means)


def _more_colours() -> Iterator[tuple[str, str]]:
    """A colour for each listed criterion without one: by its name, the next free one where another has that."""
    free = list(MORE_COLOURS)
    for name in sorted(CRITERIA.keys() - CRITERION_COLOURS):
        start = crc32(name.encode()) % len(MORE_COLOURS)
        palette = (*MORE_COLOURS[start:], *MORE_COLOURS[:start])
        colour = next((colour for colour in palette if colour in free), palette[0])
        free = [other for other in free if other != colour]
        yield name, colour


def translucent(colour: str, alpha: float) -> str:
    """`#RRGGBB` as an rgba() of opacity `alpha`."""
    red, green, blue = _rgb(colour)
    return f"rgba({red},{green},{blue},{alpha})"


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
