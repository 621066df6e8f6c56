"""What a board's sensors read while a network was at work: power, temperatures, clocks. Arithmetic only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.boards.agent.probe import Clocks, Probe
from engine.texts import printable

GPU, CPU = "gpu_hz", "cpu_hz"

_TEARDOWN_S = 0.5  # a tool needs less than this to end after its last query
_CONSTANT_ZONES = ("PMIC-Die",)  # says 100 °C always
_CLOCK_FALL = 0.95  # of a clock: jitter of the reading is smaller, the smallest step of a Jetson's GPU clock larger
_LATENCY_RISE = 1.03
_LOW_SHARE, _FEWEST_LOW = 0.1, 2
_FEWEST_TO_JUDGE, _FEWEST_IN_STRETCH, _MOST_STRETCHES = 2, 3, 6
_LONGEST_NAME = 300  # of a rail, characters
_STEPS = 600  # of the time that the queries took, at which latency is looked at

Numbers = NDArray[np.float64]
Readings = Sequence[float | None]


@dataclass(frozen=True)
class Series:
    """The sensors' `readings` as bench.py gives them; within `window`, seconds of their `t`, all was this work."""

    readings: Mapping[str, Any]
    window: tuple[float, float]

    def at_work(self, readings: Readings | None) -> Numbers:
        """Those of one sensor that lie in the window, without the ones that failed."""
        first, last = self.window
        pairs = zip(self.readings.get("t") or (), readings or (), strict=False)
        return drop_missing([value for t, value in pairs if first <= t <= last])


def busy_window(command_s: float, measured_s: float) -> tuple[float, float]:
    """When a command that ran for `command_s` and measured `measured_s` at its end was at work for sure, in seconds.

    trtexec does not print when it begins. It measures right after its warm-up, which is the same work, and ends soon
    after: so the last `measured_s` seconds, less what ending may take, hold nothing but this work.
    """
    margin = min(_TEARDOWN_S, measured_s / 4, command_s / 4)
    return max(0.0, command_s - measured_s), command_s - margin


def power(
    rounds: Sequence[Series], seconds: Sequence[float], inferences: Sequence[int]
) -> tuple[float | None, float | None]:
    """(mean power of the total rail, mW; energy per inference, mJ); (None, None) for a board that reports no power.

    Energy per inference is mean power × measuring time ÷ inferences made in it, over the rounds of which the power is
    known; `seconds` and `inferences` are those of each round. It is the whole board's, idle part included.
    """
    energy = time = 0.0
    count = 0
    for each, duration, inferences_made in zip(rounds, seconds, inferences, strict=True):
        rails = each.readings.get("power_mw") or {}
        readings = each.at_work(rails.get(each.readings.get("total_rail")))
        if readings.size:
            energy += float(readings.mean()) * duration
            time += duration
            count += inferences_made
    return (round(energy / time, 1), round(energy / count, 4)) if count else (None, None)


def power_rail(rounds: Sequence[Series]) -> str | None:
    """What the power is of: the rail of the whole board, or a sum of rails; None for a board that reports no power."""
    names = (each.readings.get("total_rail") for each in rounds)
    return next((printable(name, _LONGEST_NAME) for name in names if name), None)


def why_no_power(rounds: Sequence[Series], before: Probe, after: Probe) -> str:
    """Why a timing comes without power, where `power` found none."""
    rail, reason = power_rail(rounds), before.why_no_power or after.why_no_power
    if reason or rail is None:
        return reason or "the board reports no power"
    return f"its rail {rail} gave no reading while the queries ran; measure for more seconds, or look at its sensors"


def temperatures(
    rounds: Sequence[Series], before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> dict[str, dict[str, float | None]]:
    """Of every zone that gave a number at least once, °C; the highest value of before, while and after."""
    series = [each.readings.get("temperatures") or {} for each in rounds]
    names = dict.fromkeys([*before, *(name for each in series for name in each), *after])
    zones: dict[str, dict[str, float | None]] = {}
    for name in names:
        first, last = before.get(name), after.get(name)
        values = concatenate([drop_missing([first, last]), *(drop_missing(each.get(name)) for each in series)])
        if values.size and name not in _CONSTANT_ZONES:
            zones[name] = {"before": first, "max": float(values.max()), "after": last}
    return zones


def clock_range(rounds: Sequence[Series], clock: str = GPU) -> dict[str, int] | None:
    """Least, median and greatest clock at work, Hz; None where it cannot be read."""
    readings = concatenate([each.at_work(each.readings.get(clock)) for each in rounds])
    if not readings.size:
        return None
    return {"min": int(readings.min()), "median": int(np.median(readings)), "max": int(readings.max())}


def throttling(
    rounds: Sequence[Series], latency_ms: Sequence[float] | Numbers, clocks: Clocks, clock: str = GPU
) -> tuple[bool | None, str | None]:
    """Whether the board throttled, and how that shows; (None, None) when its clock was read too seldom to tell.

    With locked clocks: at least two readings, and a tenth of all, lie more than 5 % below the limit. In any case: the
    work is cut into up to six stretches of equal time, and from one to a later one the clock fell by more than 5 % and
    latency rose by more than 3 %. A clock that is not locked may be low without either, because a small network leaves
    it waiting; that is no throttling.
    """
    readings = concatenate([each.at_work(each.readings.get(clock)) for each in rounds])
    if readings.size < _FEWEST_TO_JUDGE:
        return None, None
    name, limit = "GPU" if clock == GPU else "CPU", _limit(clocks, clock) if clocks.locked else None
    if limit is not None:
        low = int((readings < _CLOCK_FALL * limit).sum())
        if low >= _FEWEST_LOW and low >= _LOW_SHARE * readings.size:
            where = f"in {low} of {readings.size} readings, down to {_ghz(readings.min())}"
            return True, f"the {name} clock was below the {_ghz(limit)} that it is locked at {where}"
    count = min(_MOST_STRETCHES, readings.size // _FEWEST_IN_STRETCH)
    if count < 2:
        return None if limit is None else False, None
    hertz, milliseconds = _medians(readings, count), _medians(_over_time(latency_ms), count)
    falls = [
        (hertz[later] / hertz[first], first, later)
        for first, later in combinations(range(count), 2)
        if hertz[later] < _CLOCK_FALL * hertz[first] and milliseconds[later] > _LATENCY_RISE * milliseconds[first]
    ]
    if falls:
        _, first, later = min(falls)
        change = f"from {_ghz(hertz[first])} to {_ghz(hertz[later])}"
        rise = milliseconds[later] / milliseconds[first] - 1
        return True, f"the {name} clock fell {change} while latency rose by {rise:.0%}"
    return False, None


def drop_missing(readings: Readings | None) -> Numbers:
    """Without those that failed."""
    return np.array([value for value in readings or () if value is not None], dtype=np.float64)


def concatenate(parts: Sequence[Sequence[float] | Numbers]) -> Numbers:
    """At least one part, one after the other."""
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])


def _limit(clocks: Clocks, clock: str) -> float | None:
    """What the clock is allowed, and locked at when it is locked; of the fastest core."""
    allowed = drop_missing([clocks.gpu_max_hz] if clock == GPU else clocks.cpu_max_hz)
    return float(allowed.max()) if allowed.size else None


def _medians(values: Numbers, count: int) -> list[float]:
    return [float(np.median(part)) for part in np.array_split(values, count)]


def _over_time(latency_ms: Sequence[float] | Numbers) -> Numbers:
    """The latency at equal steps of the time that the queries took, one after the other."""
    latency = np.asarray(latency_ms, dtype=np.float64)
    ends = np.cumsum(latency)
    middles = (np.arange(_STEPS) + 0.5) * ends[-1] / _STEPS
    at: Numbers = latency.take(np.searchsorted(ends, middles), mode="clip")
    return at


def _ghz(hertz: float) -> str:
    return f"{hertz / 1e9:.2f} GHz"
