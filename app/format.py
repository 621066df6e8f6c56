"""Numbers and times as every page writes them."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from engine import units

MISSING = "–"


def si(value: float | None, unit: str = "") -> str:
    """Three significant figures with an SI prefix: 20300000 → 20.3 M."""
    return MISSING if value is None or math.isnan(value) else units.si(value, unit)


def percent(share: float | None) -> str:
    return MISSING if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def percentage_points(share: float, base: float) -> str:
    """A difference of two shares in percentage points, signed."""
    return f"{signed_points(share - base)} points"


def signed_points(difference: float) -> str:
    """The same of a difference, without its unit: −1.2."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def points_between(mean: float, low: float, high: float) -> str:
    """A difference of shares with its interval: `−1.2 points, 95 % interval −2.0 to −0.4`."""
    return f"{signed_points(mean)} points, 95 % interval {signed_points(low)} to {signed_points(high)}"


def ratio(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{value:.2f}×"


def milliseconds(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{units.three(value)} ms"


def millijoules(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{units.three(value)} mJ"


def clock(at: float) -> str:
    """A Unix time in the viewer's time zone: `at 14:03`, or `on 21 Nov at 14:03` on another day."""
    zone = ZoneInfo(st.context.timezone) if st.context.timezone else None
    moment, now = datetime.fromtimestamp(at, zone), datetime.now(zone)
    day = "" if moment.date() == now.date() else f"on {moment.day} {moment:%b} "
    return f"{day}at {moment:%H:%M}"


def minutes(seconds: float) -> str:
    """A duration in words: 45 s, 4 min, 1 h 20 min."""
    return units.duration(seconds)
