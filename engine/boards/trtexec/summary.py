"""trtexec's own summary of a measurement, which looks different in 7.x and since 8.0. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import WorkError

_PROLOG = re.compile(r"Timing trace has (\d{1,12}) queries over (\S+) s")
_STATISTIC = re.compile(r"(min|max|mean|median|percentiles?\([^)]{0,20}\)) = (\S+) ms")
_BLOCK_STATISTIC = re.compile(r"(min|max|mean|median|percentiles?): (\S+) ms(?: at (\S+?)%?(?: |$))?")
_PERCENTAGE = re.compile(r"percentiles?\(\D{0,3}(\d{1,3}(?:\.\d{1,9})?)\D{0,3}\)")  # one, or a list of one

_OPTIONAL = ("Enqueue Time", "H2D Latency", "D2H Latency")
_SCALARS = {"Throughput": "throughput", "Total Host Walltime": "walltime", "Total GPU Compute Time": "total"}
_BLOCKS = {"Host Latency": "Latency", "Enqueue Time": "Enqueue Time", "GPU Compute": "GPU Compute Time"}
_BLOCK_SCALARS = {"throughput": "throughput", "walltime": "walltime", "total compute time": "total"}
_TOO_LARGE = 1e12  # for any time in s or ms, or queries a second

_Statistics = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Spread:
    """One quantity in trtexec's own summary, milliseconds; percentiles by their percentage."""

    min_ms: float
    max_ms: float
    median_ms: float
    mean_ms: float | None = None  # 7.1 prints none for the enqueue time
    percentiles_ms: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """trtexec's own summary: `n` queries within `walltime_s` seconds. 7.1 does not report transfers apart."""

    n: int
    walltime_s: float
    throughput_qps: float
    latency: Spread
    gpu: Spread
    enqueue: Spread | None
    h2d: Spread | None
    d2h: Spread | None


def parse_summary(lines: list[str]) -> Summary:
    """From the lines without time and level. Raises WorkError when something is missing or no number."""
    prolog = next((match for line in lines if (match := _PROLOG.search(line))), None)
    inline = any(line.startswith("=== Performance summary") for line in lines)
    spreads, scalars = _lines_of_summary(lines) if inline else _block_of_summary(lines)
    if prolog is None and not spreads:
        raise WorkError("trtexec passed but printed no performance summary: run it by hand on the device and look")
    latency, gpu = _spread(spreads, "Latency"), _spread(spreads, "GPU Compute Time")
    for name, each in (("latency", latency), ("GPU compute time", gpu)):
        if each.median_ms <= 0:
            raise WorkError(f"trtexec printed a median {name} of {each.median_ms:g} ms, which cannot be")
    walltime = number(scalars.get("walltime"), "wall time", "s")
    n = int(prolog.group(1)) if prolog else 0
    if n == 0:  # 7.x multiplies the number by a batch size that is 0 for explicit batches
        total = number(scalars.get("total"), "total compute time", "s")
        n = round(1e3 * total / (gpu.mean_ms or math.inf))
    if n < 1 or walltime <= 0:
        raise WorkError(f"trtexec timed {n} queries in {walltime:g} s: it measured nothing")
    rest = {name: _spread(spreads, name) if name in spreads else None for name in _OPTIONAL}
    return Summary(n, walltime, _throughput(scalars, n, walltime), latency, gpu, *rest.values())


def _lines_of_summary(lines: list[str]) -> tuple[_Statistics, dict[str, str]]:
    """From 8.0 on: a line for each quantity, "Latency: min = 1 ms, max = 2 ms, …"."""
    spreads, scalars = _Statistics(), dict[str, str]()
    for line in lines:
        name, colon, rest = line.partition(": ")
        if colon and (statistics := _STATISTIC.findall(rest)):
            spreads[name] = dict(statistics)
        elif colon and name in _SCALARS and rest:
            scalars[_SCALARS[name]] = rest.split()[0]
    return spreads, scalars


def _block_of_summary(lines: list[str]) -> tuple[_Statistics, dict[str, str]]:
    """7.x: a headline for each quantity, then a line for each statistic, "min: 1 ms (end to end 2 ms)"."""
    spreads, scalars = _Statistics(), dict[str, str]()
    block: dict[str, str] | None = None
    for line in lines:
        name, colon, rest = line.partition(": ")
        if line in _BLOCKS:
            block = spreads.setdefault(_BLOCKS[line], {})
        elif colon and name in _BLOCK_SCALARS and rest:
            scalars[_BLOCK_SCALARS[name]] = rest.split()[0]
        elif block is not None and (match := _BLOCK_STATISTIC.match(line)):
            statistic, value, percentage = match.groups()
            block[statistic if percentage is None else f"{statistic}({percentage}%)"] = value
    return spreads, scalars


def _spread(spreads: _Statistics, name: str) -> Spread:
    statistics = spreads.get(name)
    if statistics is None:
        raise WorkError(f"trtexec's summary has no {name}: this version prints something that is not known here")

    def value(statistic: str) -> float:
        return number(statistics.get(statistic), f"{statistic} {name}", "ms")

    percentages = {key: match.group(1) for key in statistics if (match := _PERCENTAGE.match(key))}
    return Spread(
        value("min"),
        value("max"),
        value("median"),
        value("mean") if "mean" in statistics else None,
        {number(percentage, "percentage", "%"): value(key) for key, percentage in percentages.items()},
    )


def _throughput(scalars: Mapping[str, str], n: int, walltime_s: float) -> float:
    """Queries a second. 7.x prints 0 for explicit batches; any other number must be what n and the time make it."""
    counted, printed = n / walltime_s, number(scalars.get("throughput"), "throughput", "qps")
    if printed and not math.isclose(printed, counted, rel_tol=0.01):
        raise WorkError(f"trtexec printed {printed:g} qps for {n} queries in {walltime_s:g} s, which are {counted:g}")
    return counted


def number(text: str | None, what: str, unit: str) -> float:
    """A printed number of at least 0; WorkError when there is none, or nan, or inf, or more than can be."""
    try:
        value = float(text if text is not None else "")
    except ValueError:
        raise WorkError(f"trtexec printed no {what}" if text is None else _nonsense(text, what, unit)) from None
    if not 0 <= value < _TOO_LARGE:
        raise WorkError(_nonsense(str(text), what, unit))
    return value


def _nonsense(text: str, what: str, unit: str) -> str:
    return f"trtexec printed a {what} of {text[:40]} {unit}, which is no number to be used: time it again"
