"""From the samples and sensors of a network's turns to its measurement, a line of measurements.jsonl. Arithmetic only.

A network is timed in several turns, between which other networks have theirs, so that warmth and clocks that drift meet
all of them alike. Percentiles are of the samples of all its turns together.
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
from engine.stats import percentiles
from engine.storage.records.measurement import Measurement

FIRST_SAMPLES = 10  # at least, of a turn of which nothing is known yet; trtexec's own least number, too

_DIGITS = 4  # of milliseconds


@dataclass(frozen=True)
class Turn:
    """One turn: `samples_ms` is the latency of each query, in the order of time; together they took `seconds`.

    GPU compute time and transfers are None where the tool does not tell them apart; `transfers` says whether what goes
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
class How:
    """What a measurement was made with; `threads` are None for a GPU, `settings` the rest that matters."""

    tool: str
    version: str
    precision: str
    provider: str
    threads: int | None
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Occasion:
    """Where, when and beside how many other networks; the device as it said it was `before` and `after`."""

    device: str
    job: str
    at: float
    before: Probe
    after: Probe
    interleaved_with: int


def trtexec_turn(timing: Timing, document: Mapping[str, Any]) -> Turn:
    """From what trtexec said and bench.py's document of having run it."""
    samples, seconds = timing.samples, timing.summary.walltime_s
    series = Series(document["sensors"], sensors.busy_window(document["seconds"], seconds))
    parts = (samples.gpu_ms, samples.h2d_ms, samples.d2h_ms)
    return Turn(samples.latency_ms, seconds, series, *parts, timing.transfers)


def onnxruntime_turn(document: Mapping[str, Any]) -> Turn:
    """From bench.py's document of having timed with ONNX Runtime, on a processor that needs no transfers."""
    series = Series(document["sensors"], (document["from_s"], document["to_s"]))
    return Turn(document["samples_ms"], document["seconds"], series)


def p50(milliseconds: Sequence[float]) -> float:
    """The median of at least one sample."""
    return round(float(np.median(milliseconds)), _DIGITS)


def merge_turns(point: PointId, turns: Sequence[Turn], how: How, occasion: Occasion) -> Measurement:
    """The measurement of one network from all its turns; WorkError when there is no turn."""
    if not turns:
        raise WorkError("nothing was measured: no turn was taken")
    latency = sensors.joined([turn.samples_ms for turn in turns])
    median, p90, p99 = percentiles(latency.tolist())
    assert median is not None  # of one sample at least
    before = occasion.before
    times = Measurement(
        run=point.run,
        point=point.point,
        device=occasion.device,
        job=occasion.job,
        at=occasion.at,
        tool=how.tool,
        version=how.version,
        precision=how.precision,
        provider=how.provider,
        threads=how.threads,
        n=int(latency.size),
        p50_ms=median,
        p90_ms=p90,
        p99_ms=p99,
        mean_ms=round(float(latency.mean()), _DIGITS),
        gpu_p50_ms=_median([turn.gpu_ms for turn in turns]),
        h2d_p50_ms=_median([turn.h2d_ms for turn in turns]),
        d2h_p50_ms=_median([turn.d2h_ms for turn in turns]),
        transfers=all(turn.transfers for turn in turns),
        throughput_qps=round(latency.size / sum(turn.seconds for turn in turns), 3),
        rounds=len(turns),
        interleaved_with=occasion.interleaved_with,
        power_mode=None if before.power_mode is None else before.power_mode.name,
        board=before.board,
        settings=dict(how.settings),
    )
    return _with_sensors(times, turns, before, occasion.after)


def _with_sensors(times: Measurement, turns: Sequence[Turn], before: Probe, after: Probe) -> Measurement:
    """With what the sensors said; whether it throttled is judged by the clock of the processor that did the work."""
    series = [turn.series for turn in turns]
    power, energy = sensors.power(series, [turn.seconds for turn in turns], [len(turn.samples_ms) for turn in turns])
    clock = sensors.CPU if times.provider == "CPUExecutionProvider" else sensors.GPU
    latency = sensors.joined([turn.samples_ms for turn in turns])
    throttled, why = sensors.throttling(series, latency, before.clocks, clock)
    return replace(
        times,
        power_mw=power,
        energy_mj=energy,
        temperatures_c=sensors.temperatures(series, before.temperatures, after.temperatures),
        gpu_hz=sensors.clock_range(series),
        clocks_locked=before.clocks.locked,
        throttled=throttled,
        why_throttled=why,
    )


def _median(parts: Sequence[Sequence[float] | None]) -> float | None:
    """None unless every turn tells this quantity."""
    known = [part for part in parts if part is not None]
    return p50(sensors.joined(known).tolist()) if len(known) == len(parts) else None
