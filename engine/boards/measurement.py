"""From the samples and sensors of a network's rounds to its measurement, a line of measurements.jsonl. Arithmetic only.

A network is timed in several rounds, each of which takes all networks in turn, so that warmth and clocks that drift
meet all of them alike. Percentiles are of the samples of all its rounds together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.boards import sensors
from engine.boards.agent.probe import Probe
from engine.boards.sensors import Series
from engine.boards.trtexec.output import Timing
from engine.errors import WorkError
from engine.stats import percentiles

FIRST_SAMPLES = 10  # at least, of a network's first round; trtexec's own least number, too

_DIGITS = 4  # of milliseconds


@dataclass(frozen=True)
class TimingRound:
    """One network in one round: `samples_ms` of each query in the order of time; together they took `seconds`.

    GPU compute time and transfers are None where the tool does not separate them; `transfers` says whether what goes
    to the processor and back is part of the latency. Raises WorkError when made of no samples or of other than numbers.
    """

    samples_ms: Sequence[float]
    seconds: float
    series: Series
    gpu_ms: Sequence[float] | None = None
    h2d_ms: Sequence[float] | None = None
    d2h_ms: Sequence[float] | None = None
    transfers: bool = True

    def __post_init__(self) -> None:
        if len(self.samples_ms) == 0:
            raise WorkError("a turn brought no samples: time it for longer")
        if not all(isinstance(each, int | float) and 0 < each < math.inf for each in (*self.samples_ms, self.seconds)):
            raise WorkError("a turn brought times that are no positive numbers: time it again")


@dataclass(frozen=True)
class ToolSettings:
    """What a measurement was made with; `threads` are None for a GPU, `settings` the rest that matters."""

    tool: str
    version: str
    precision: str
    provider: str
    threads: int | None
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Conditions:
    """Where, when and beside how many other networks; the board's probe `before` and `after`."""

    device: str
    job: str
    at: float
    before: Probe
    after: Probe
    interleaved_with: int


def trtexec_round(timing: Timing, document: Mapping[str, Any]) -> TimingRound:
    """From what trtexec printed and bench.py's document of having run it."""
    samples, seconds = timing.samples, timing.summary.walltime_s
    series = Series(document["sensors"], sensors.busy_window(document["seconds"], seconds))
    transfers_ms = (samples.gpu_ms, samples.h2d_ms, samples.d2h_ms)
    return TimingRound(samples.latency_ms, seconds, series, *transfers_ms, timing.transfers)


def onnxruntime_round(document: Mapping[str, Any]) -> TimingRound:
    """From bench.py's document of having timed with ONNX Runtime, on a processor that needs no transfers."""
    series = Series(document["sensors"], (document["from_s"], document["to_s"]))
    return TimingRound(document["samples_ms"], document["seconds"], series)


def p50(milliseconds: Sequence[float]) -> float:
    """The median of at least one sample."""
    return round(float(np.median(milliseconds)), _DIGITS)


def merge_rounds(rounds: Sequence[TimingRound], settings: ToolSettings, conditions: Conditions) -> dict[str, Any]:
    """The line of one network from all its rounds, without the number of its point; WorkError when there is none."""
    before, after = conditions.before, conditions.after
    return {
        "device": conditions.device,
        "job": conditions.job,
        "at": conditions.at,
        "tool": settings.tool,
        "version": settings.version,
        "precision": settings.precision,
        "provider": settings.provider,
        "threads": settings.threads,
        "batch": 1,
        **_times(rounds),
        **_state(rounds, settings, before, after),
        "rounds": len(rounds),
        "interleaved_with": conditions.interleaved_with,
        "power_mode": None if before.power_mode is None else before.power_mode.name,
        "board": before.board,
        "settings": dict(settings.settings),
    }


def _times(rounds: Sequence[TimingRound]) -> dict[str, Any]:
    if not rounds:
        raise WorkError("nothing was measured: no turn was taken")
    latency = sensors.concatenate([each.samples_ms for each in rounds])
    median, p90, p99 = percentiles(latency.tolist())
    return {
        "n": int(latency.size),
        "p50_ms": median,
        "p90_ms": p90,
        "p99_ms": p99,
        "mean_ms": round(float(latency.mean()), _DIGITS),
        "gpu_p50_ms": _median_of([each.gpu_ms for each in rounds]),
        "h2d_p50_ms": _median_of([each.h2d_ms for each in rounds]),
        "d2h_p50_ms": _median_of([each.d2h_ms for each in rounds]),
        "transfers": all(each.transfers for each in rounds),
        "throughput_qps": round(latency.size / sum(each.seconds for each in rounds), 3),
    }


def _state(rounds: Sequence[TimingRound], settings: ToolSettings, before: Probe, after: Probe) -> dict[str, Any]:
    """What the sensors read; whether it throttled is judged by the clock of the processor that did the work."""
    series = [each.series for each in rounds]
    power, energy = sensors.power(series, [each.seconds for each in rounds], [len(each.samples_ms) for each in rounds])
    clock = sensors.CPU if settings.provider == "CPUExecutionProvider" else sensors.GPU
    latency = sensors.concatenate([each.samples_ms for each in rounds])
    throttled, why = sensors.throttling(series, latency, before.clocks, clock)
    return {
        "power_mw": power,
        "energy_mj": energy,
        "temperatures_c": sensors.temperatures(series, before.temperatures, after.temperatures),
        "gpu_hz": sensors.clock_range(series),
        "clocks_locked": before.clocks.locked,
        "throttled": throttled,
        "why_throttled": why,
    }


def _median_of(parts: Sequence[Sequence[float] | None]) -> float | None:
    """None unless every round has this quantity."""
    transfers_ms = [series_ms for series_ms in parts if series_ms is not None]
    return p50(sensors.concatenate(transfers_ms).tolist()) if len(transfers_ms) == len(parts) else None
