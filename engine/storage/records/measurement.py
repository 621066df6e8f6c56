"""What was timed, on this host or on a board, and under which conditions. No torch.

Two timings are to be compared only when they were made under the same `Conditions`; of those that a board made of one
point under the same ones the last counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.storage.records.record import Duration, Flag, Moment, Number, Record, Whole


@dataclass(frozen=True)
class Conditions:
    """Where and with what a latency was measured; equal ones may be compared.

    `device` is the name of a board, or None for a host, whose processor is `host`.
    """

    device: str | None
    host: str | None
    tool: str
    version: str | None
    provider: str | None
    precision: str | None
    threads: int | None
    batch: int
    power_mode: str | None
    clocks_locked: bool


@dataclass(frozen=True, kw_only=True)
class Latency(Record):
    """One timing on this host: `n` queries of `batch` images with `threads` threads; milliseconds per query.

    `host` is the processor's name. A run notes it once, in env.json, and a reader adds it.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"host"})

    where: str = "host"
    tool: str = "onnxruntime"
    provider: str
    threads: Whole
    batch: Whole
    n: Whole
    p50_ms: Duration
    p90_ms: Duration | None = None
    p99_ms: Duration | None = None
    host: str | None = None

    @property
    def conditions(self) -> Conditions:
        return Conditions(
            device=None,
            host=self.host,
            tool=self.tool,
            version=None,
            provider=self.provider,
            precision=None,
            threads=self.threads,
            batch=self.batch,
            power_mode=None,
            clocks_locked=False,
        )


@dataclass(frozen=True, kw_only=True)
class Measurement(Record):
    """A board's timing of one point, a line of measurements.jsonl.

    Milliseconds, milliwatts, millijoules per inference, hertz and °C; what the board or its tool does not measure is
    None. `run` is there while the measurement has not reached its run, `job` is the timing that made it, `at` is Unix
    seconds. `power_rail` is what the power is of, the whole board's rail or a sum of rails.
    """

    WHERE_KNOWN: ClassVar[frozenset[str]] = frozenset({"run", "power_rail", "why_no_power"})

    run: str | None = None
    point: Whole
    device: str
    job: str | None = None
    at: Moment | None = None
    tool: str
    version: str | None = None
    precision: str
    provider: str | None = None
    threads: Whole | None = None
    batch: Whole = 1
    n: Whole
    p50_ms: Duration
    p90_ms: Duration | None = None
    p99_ms: Duration | None = None
    mean_ms: Duration | None = None
    gpu_p50_ms: Duration | None = None
    h2d_p50_ms: Duration | None = None
    d2h_p50_ms: Duration | None = None
    transfers: Flag | None = None
    throughput_qps: Number | None = None
    power_mw: Number | None = None
    energy_mj: Number | None = None
    temperatures_c: Mapping[str, Any] | None = None
    gpu_hz: Mapping[str, Any] | None = None
    clocks_locked: Flag | None = None
    throttled: Flag | None = None
    why_throttled: str | None = None
    rounds: Whole | None = None
    interleaved_with: Whole | None = None
    power_mode: str | None = None
    board: str | None = None
    settings: Mapping[str, Any] | None = None
    power_rail: str | None = None
    why_no_power: str | None = None

    @property
    def conditions(self) -> Conditions:
        return Conditions(
            device=self.device,
            host=None,
            tool=self.tool,
            version=self.version,
            provider=self.provider,
            precision=self.precision,
            threads=self.threads,
            batch=self.batch,
            power_mode=self.power_mode,
            clocks_locked=bool(self.clocks_locked),
        )

    @property
    def transfer_ms(self) -> float | None:
        """For moving an input to the GPU and its output back; None where that was not measured."""
        if self.h2d_p50_ms is None or self.d2h_p50_ms is None:
            return None
        return self.h2d_p50_ms + self.d2h_p50_ms


Timed = Latency | Measurement


def read_timed(entry: Mapping[str, Any]) -> Timed:
    """An entry of a point's `latency` as the index has it: what a host measured, or what a board did."""
    kind = Measurement if "device" in entry else Latency
    return kind.from_json(entry, "a point's latency")
