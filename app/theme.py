"""The one visual language: which colour, symbol and wording each thing has on every page."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import streamlit as st

from engine import units
from engine.catalog import CRITERIA

# Okabe & Ito's palette without its black, then others that stay apart from it, grey for the control.
CRITERION_COLOURS: dict[str, str] = {
    "random": "#8C8C8C",
    "l1": "#E69F00",
    "l2": "#D55E00",
    "bn_scale": "#0072B2",
    "fpgm": "#CC79A7",
    "lamp": "#56B4E9",
    "taylor": "#009E73",
    "obd": "#F0E442",
    "activation": "#9A6A3A",
    "feature_rank": "#7A6FD0",
    "accuracy": "#C2185B",
    "loss": "#7D8F00",
    "divergence": "#D400D4",
    "cka": "#00A3AD",
}
ORDER_SYMBOLS: dict[str, str] = {
    "layers-channels": "circle",
    "channels-layers": "diamond",
    "layers": "square",
    "channels": "triangle-up",
    "alternate": "star",
}
INT8_SYMBOL = "cross"
ORDER_LABELS: dict[str, str] = {
    "layers-channels": "layers → channels",
    "channels-layers": "channels → layers",
    "layers": "layers",
    "channels": "channels",
    "alternate": "alternate",
}
# What an attempt is judged by.
MEASURE_LABELS: dict[str, str] = {
    "accuracy": "accuracy",
    "loss": "loss",
    "divergence": "divergence",
    "cka": "CKA",
}
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
MISSING = "–"


@dataclass(frozen=True)
class Ink:
    """The colours that must follow light and dark: text-like lines and the page behind them."""

    line: str
    paper: str


LIGHT = Ink(line="#1a1c24", paper="#ffffff")
DARK = Ink(line="#fafafa", paper="#191817")


def ink() -> Ink:
    """The ink of the theme that the browser shows now."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def criterion_colour(criterion: str) -> str:
    """The colour of a criterion; an ensemble (`a+b`) mixes its members' colours in equal parts."""
    members = [_rgb(CRITERION_COLOURS.get(name, NEUTRAL)) for name in criterion.split("+")]
    mixed = (round(sum(channel) / len(members)) for channel in zip(*members, strict=True))
    return "#" + "".join(f"{value:02X}" for value in mixed)


def translucent(colour: str, alpha: float) -> str:
    """`#RRGGBB` as an rgba() of opacity `alpha`."""
    red, green, blue = _rgb(colour)
    return f"rgba({red},{green},{blue},{alpha})"


def criterion_label(criterion: str) -> str:
    return " + ".join(CRITERIA[name].label if name in CRITERIA else name for name in criterion.split("+"))


def order_label(order: str) -> str:
    return ORDER_LABELS.get(order, order)


def measure_label(measure: str | None) -> str:
    return MISSING if measure is None else MEASURE_LABELS.get(measure, measure)


def way_label(order: str, depth_method: str | None, width_method: str | None) -> str:
    """The order with the method of each phase that is not done at once: `direct layers → channels`."""
    methods = {"layers": depth_method, "channels": width_method}
    iterative = {phase: f"{method} " for phase, method in methods.items() if method not in (None, "one-shot")}
    return " → ".join(iterative.get(phase, "") + order_label(phase) for phase in order.split("-"))


def data_label(name: str) -> str:
    """A dataset's name, with only the last part of a path."""
    kind, colon, path = name.partition(":")
    return f"{kind}:{path.rstrip('/').rsplit('/', 1)[-1]}" if colon else name


# Settings whose stored values have names of their own.
NAMES: dict[str, Callable[[Any], str]] = {
    "data": data_label,
    "criterion": criterion_label,
    "order": order_label,
    "measure": measure_label,
}


def si(value: float | None, unit: str = "") -> str:
    """Three significant figures with an SI prefix: 20300000 → 20.3 M."""
    return MISSING if value is None or math.isnan(value) else units.si(value, unit)


def percent(share: float | None) -> str:
    return MISSING if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def points_apart(share: float, base: float) -> str:
    """A difference of two shares in percentage points, signed."""
    return f"{100 * (share - base):+.1f} points".replace("-", "−")


def ratio(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{value:.2f}×"


def milliseconds(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{units.three(value)} ms"


def millijoules(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{units.three(value)} mJ"


def clock(at: float) -> str:
    """A Unix time as whoever looks at the page says it: `at 14:03`, or `on 21 Nov at 14:03` on another day."""
    zone = ZoneInfo(st.context.timezone) if st.context.timezone else None
    then, now = datetime.fromtimestamp(at, zone), datetime.now(zone)
    day = "" if then.date() == now.date() else f"on {then.day} {then:%b} "
    return f"{day}at {then:%H:%M}"


def minutes(seconds: float) -> str:
    """A duration as a person says it: 45 s, 4 min, 1 h 20 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    whole = round(seconds / 60)
    return f"{whole} min" if whole < 60 else f"{whole // 60} h {whole % 60} min"


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
