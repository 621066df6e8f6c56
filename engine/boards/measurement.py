"""From the samples and sensors of a network's rounds to its measurement, a line of measurements.jsonl. Arithmetic only.

A network is timed in several rounds, each of which takes all networks in turn, so that warmth and clocks that drift
meet all of them alike. Percentiles are of the samples of all its rounds together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.boards import sensors
from engine.boards.agent.probe import Probe
from engine.boards.sensors import Series
from engine.boards.trtexec.output import Timing
from engine.errors import WorkError
from engine.spec.board_timing import PointId
from engine.statistics.samples import percentiles
from engine.storage.records.measurement import Measurement

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
class Occasion:
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
    parts_ms = (samples.gpu_ms, samples.h2d_ms, samples.d2h_ms)
    return TimingRound(samples.latency_ms, seconds, series, *parts_ms, timing.transfers)


def onnxruntime_round(document: Mapping[str, Any]) -> TimingRound:
    """From bench.py's document of having timed with ONNX Runtime, on a processor that needs no transfers."""
    series = Series(document["sensors"], (document["from_s"], document["to_s"]))
    return TimingRound(document["samples_ms"], document["seconds"], series)


def p50(milliseconds: Sequence[float]) -> float:
    """The median of at least one sample."""
    return round(float(np.median(milliseconds)), _DIGITS)


def merge_rounds(
    point: PointId, rounds: Sequence[TimingRound], settings: ToolSettings, occasion: Occasion
) -> Measurement:
    """The measurement of one network from all its rounds; WorkError when there is none."""
    if not rounds:
        raise WorkError("nothing was measured: no turn was taken")
    latency = sensors.concatenate([each.samples_ms for each in rounds])
    median, p90, p99 = percentiles(latency.tolist())
    assert median is not None  # of one sample at least
    before = occasion.before
    times = Measurement(
        run=point.run,
        point=point.point,
        device=occasion.device,
        job=occasion.job,
        at=occasion.at,
        tool=settings.tool,
        version=settings.version,
        precision=settings.precision,
        provider=settings.provider,
        threads=settings.threads,
        n=int(latency.size),
        p50_ms=median,
        p90_ms=p90,
        p99_ms=p99,
        mean_ms=round(float(latency.mean()), _DIGITS),
        gpu_p50_ms=_median_of([each.gpu_ms for each in rounds]),
        h2d_p50_ms=_median_of([each.h2d_ms for each in rounds]),
        d2h_p50_ms=_median_of([each.d2h_ms for each in rounds]),
        transfers=all(each.transfers for each in rounds),
        throughput_qps=round(latency.size / sum(each.seconds for each in rounds), 3),
        rounds=len(rounds),
        interleaved_with=occasion.interleaved_with,
        power_mode=None if before.power_mode is None else before.power_mode.name,
        board=before.board,
        settings=dict(settings.settings),
    )
    return _with_sensors(times, rounds, before, occasion.after)


def _with_sensors(times: Measurement, rounds: Sequence[TimingRound], before: Probe, after: Probe) -> Measurement:
    """With what the sensors read; whether it throttled is judged by the clock of the processor that did the work."""
    series = [each.series for each in rounds]
    power, energy = sensors.power(series, [each.seconds for each in rounds], [len(each.samples_ms) for each in rounds])
    clock = sensors.CPU if times.provider == "CPUExecutionProvider" else sensors.GPU
    latency = sensors.concatenate([each.samples_ms for each in rounds])
    throttled, why = sensors.throttling(series, latency, before.clocks, clock)
    return replace(
        times,
        power_mw=power,
        energy_mj=energy,
        power_rail=None if power is None else sensors.power_rail(series),
        why_no_power=sensors.why_no_power(series, before, after) if power is None else None,
        temperatures_c=sensors.temperatures(series, before.temperatures, after.temperatures),
        gpu_hz=sensors.clock_range(series),
        clocks_locked=before.clocks.locked,
        throttled=throttled,
        why_throttled=why,
    )


def _median_of(parts: Sequence[Sequence[float] | None]) -> float | None:
    """None unless every round has this quantity."""
    series_ms = [part for part in parts if part is not None]
    return p50(sensors.concatenate(series_ms).tolist()) if len(series_ms) == len(parts) else None
