"""Percentiles, power, energy, warmth and clocks of a measurement, against arithmetic done in another way."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boards import sensors
from engine.boards.agent import probe
from engine.boards.agent.probe import Clocks, Probe
from engine.boards.measurement import (
    Occasion,
    TimingRound,
    ToolSettings,
    merge_rounds,
    onnxruntime_round,
    p50,
    trtexec_round,
)
from engine.boards.sensors import Series, busy_window
from engine.boards.trtexec import output
from engine.errors import WorkError
from engine.spec.board_timing import PointId
from tests.support import trtexec_output

MAX_HZ, CPU_HZ = 1_300_500_000, 2_035_200_000
LOCKED = Clocks(MAX_HZ, MAX_HZ, (CPU_HZ,), (CPU_HZ, None), True)
FREE = replace(LOCKED, locked=False)
TENSORRT = ToolSettings("trtexec", "8.2.1", "fp16", "TensorRT", None, {"warmup_ms": 200})
ORT = ToolSettings("onnxruntime", "1.10.0", "fp32", "CPUExecutionProvider", 2, {})

POINT = PointId(run="20260131-095959-0a1b2c3d", point=1)

milliseconds = st.floats(0.01, 1e4)
samples = st.lists(milliseconds, min_size=1, max_size=40)


def board(clocks: Clocks = LOCKED, **temperatures: float | None) -> Probe:
    return probe.parse(
        {
            "model": "quill", "compatible": ["nvidia,tegra186"], "jetson": "tx2", "l4t": "32.7.1", "jetpack": "4.6.1",
            "tensorrt": "8.2.1", "trtexec": "/t", "onnxruntime": None, "providers": [], "python": "3.6.9",
            "machine": "aarch64", "system": None, "hostname": "tx2", "cores": 6,
            "power_mode": {"name": "MAXN", "id": 0},
            "clocks": {
                "gpu_hz": clocks.gpu_hz, "gpu_max_hz": clocks.gpu_max_hz, "cpu_hz": list(clocks.cpu_hz),
                "cpu_max_hz": list(clocks.cpu_max_hz), "locked": clocks.locked,
            },
            "disk_free_bytes": 1, "memory_total_bytes": 1, "memory_free_bytes": 1, "temperatures": temperatures,
            "power_mw": {}, "total_rail": None, "uptime_s": 1.0, "time": 1.0, "sudo": False, "problems": [],
        }
    )  # fmt: skip


def series(window: tuple[float, float] = (0.0, math.inf), rail: str | None = "VDD_IN", **readings: Any) -> Series:
    """Sensors read once a second; `power` is of the total rail."""
    power = readings.pop("power", [])
    length = max([len(power), *(len(each) for each in readings.values() if isinstance(each, list)), 0])
    total = {"total_rail": rail, "power_mw": {rail: power} if rail else {}}
    return Series({"t": [float(t) for t in range(length)], **total, **readings}, window)


def measure(
    *turns: TimingRound, how: ToolSettings = TENSORRT, before: Probe | None = None, after: Probe | None = None
) -> dict[str, Any]:
    before = before or board()
    occasion = Occasion("tx2", "job-1", 1.5, before, after or before, 2)
    return merge_rounds(POINT, turns, how, occasion).to_json()


class TestTimes:
    @given(st.lists(samples, min_size=1, max_size=5))
    def test_numbers_are_of_the_samples_of_all_turns_together(self, parts: list[list[float]]):
        got = measure(*(TimingRound(part, 1.0 + i, series()) for i, part in enumerate(parts)))
        joined = [each for part in parts for each in part]
        assert got["n"] == len(joined) and got["rounds"] == len(parts)
        assert got["p50_ms"] == pytest.approx(statistics.median(joined), abs=1e-4)
        assert got["mean_ms"] == pytest.approx(math.fsum(joined) / len(joined), rel=1e-9, abs=1e-4)
        seconds = sum(1.0 + i for i in range(len(parts)))
        assert got["throughput_qps"] == pytest.approx(len(joined) / seconds, abs=1e-3)

    @pytest.mark.parametrize(
        ("turns", "p90", "p99"), [((31, 32), False, False), ((32, 32), True, False), ((331, 331), True, True)]
    )
    def test_percentiles_need_their_number_of_samples_over_all_turns(self, turns: Sequence[int], p90: bool, p99: bool):
        got = measure(*(TimingRound([1.0 + i / n for i in range(n)], 1.0, series()) for n in turns))
        assert (got["p90_ms"] is not None, got["p99_ms"] is not None) == (p90, p99)
        assert not p90 or 1.85 < got["p90_ms"] < 1.95
        assert not p99 or 1.98 < got["p99_ms"] < 2.0

    def test_compute_and_transfers_are_columns_of_their_own_where_every_turn_tells_them(self):
        full = TimingRound([3.0, 3.2], 1.0, series(), gpu_ms=[2.0, 2.2], h2d_ms=[0.6, 0.6], d2h_ms=[0.4, 0.4])
        got = measure(full, full)
        assert (got["gpu_p50_ms"], got["h2d_p50_ms"], got["d2h_p50_ms"]) == (2.1, 0.6, 0.4)
        got = measure(full, replace(full, h2d_ms=None, d2h_ms=None, transfers=False))
        assert (got["gpu_p50_ms"], got["h2d_p50_ms"], got["d2h_p50_ms"]) == (2.1, None, None)
        assert got["transfers"] is False

    @pytest.mark.parametrize("wrong", [[], [0.0], [1.0, math.nan], [math.inf], [-1.0], [1.0, None], ["1"]])
    def test_a_turn_without_usable_samples_is_refused(self, wrong: Any):
        with pytest.raises(WorkError) as error:
            TimingRound(wrong, 1.0, series())
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("seconds", [0, -1.0, math.nan, math.inf, None])
    def test_a_turn_that_took_no_time_is_refused(self, seconds: Any):
        with pytest.raises(WorkError):
            TimingRound([1.0], seconds, series())

    def test_nothing_is_no_measurement(self):
        with pytest.raises(WorkError, match="no turn"):
            measure()

    @given(samples)
    def test_the_median_is_the_median(self, values: list[float]):
        assert p50(values) == pytest.approx(statistics.median(values), abs=1e-4)


class TestEnergy:
    def test_energy_is_mean_power_times_time_over_inferences(self):
        turn = TimingRound([2.0] * 500, 1.25, series(power=[4000, None, 6000]))
        got = measure(turn)
        assert got["power_mw"] == 5000.0
        assert got["energy_mj"] == pytest.approx(5000 * 1.25 / 500)  # mW × s = mJ

    @given(st.lists(st.tuples(st.integers(1, 20_000), st.floats(0.1, 60), st.integers(1, 50)), min_size=1, max_size=5))
    def test_turns_weigh_by_their_time(self, parts: list[tuple[int, float, int]]):
        got = measure(*(TimingRound([1.0] * n, s, series(power=[mw, mw])) for mw, s, n in parts))
        energy = math.fsum(mw * s for mw, s, _ in parts)
        assert got["energy_mj"] == pytest.approx(energy / sum(n for *_, n in parts), rel=1e-6, abs=1e-4)
        assert got["power_mw"] == pytest.approx(energy / math.fsum(s for _, s, _ in parts), rel=1e-6, abs=0.1)

    def test_a_turn_whose_power_could_not_be_read_counts_neither_as_time_nor_as_inferences(self):
        known = TimingRound([1.0] * 10, 2.0, series(power=[3000]))
        unknown = TimingRound([1.0] * 90, 8.0, series(power=[None]))
        got = measure(known, unknown)
        assert (got["power_mw"], got["energy_mj"]) == (3000.0, 600.0)

    def test_only_readings_while_it_was_at_work_count(self):
        turn = TimingRound([1.0], 1.0, series((1.0, 2.0), power=[9000, 1000, 2000, 9000]))
        assert measure(turn)["power_mw"] == 1500.0

    @pytest.mark.parametrize("empty", [series(rail=None), series(), series(power=[None, None]), Series({}, (0, 1))])
    def test_a_device_that_tells_no_power_has_none(self, empty: Series):
        got = measure(TimingRound([1.0], 1.0, empty))
        assert (got["power_mw"], got["energy_mj"]) == (None, None)

    @pytest.mark.parametrize(
        ("command", "measured", "window"), [(10.0, 3.0, (7.0, 9.5)), (4.0, 1.0, (3.0, 3.75)), (0.2, 3.0, (0.0, 0.15))]
    )
    def test_the_window_is_the_end_of_the_command_without_its_last_moments(
        self, command: float, measured: float, window: tuple[float, float]
    ):
        assert busy_window(command, measured) == pytest.approx(window)

    @given(st.floats(0.01, 1e4), st.floats(0.01, 1e4))
    def test_the_window_lies_within_the_command(self, command: float, measured: float):
        first, last = busy_window(command, measured)
        assert 0 <= first < last <= command


class TestWarmth:
    def test_each_zone_has_what_was_before_at_most_and_after(self):
        while_measuring = {"GPU-therm": [40.0, 52.5, None], "BCPU-therm": [41.0, 41.0, 41.0]}
        turn = TimingRound([1.0], 1.0, series((5.0, 6.0), temperatures=while_measuring))
        before, after = {"GPU-therm": 40.0, "BCPU-therm": 43.0}, {"GPU-therm": 45.0, "BCPU-therm": 42.0}
        got = measure(turn, before=board(**before), after=board(**after))["temperatures_c"]
        assert got == {
            "GPU-therm": {"before": 40.0, "max": 52.5, "after": 45.0},
            "BCPU-therm": {"before": 43.0, "max": 43.0, "after": 42.0},
        }

    def test_zones_that_say_nothing_or_always_the_same_are_left_out(self):
        told = {"Tdiode": [None, None], "PMIC-Die": [100.0, 100.0], "fan": [30.0, 31.0]}
        turn = TimingRound([1.0], 1.0, series(temperatures=told))
        got = measure(turn, before=board(**{"PMIC-Die": 100.0, "Tdiode": None}))["temperatures_c"]
        assert got == {"fan": {"before": None, "max": 31.0, "after": None}}


def at(*megahertz: float | None, latency: Sequence[float] = (1.0,) * 9, clock: str = "gpu_hz") -> TimingRound:
    hertz = [None if each is None else each * 1e6 for each in megahertz]
    return TimingRound(list(latency), 1.0, series(**{clock: hertz}))


class TestThrottling:
    def test_the_clock_at_work_has_its_least_median_and_greatest(self):
        turn = TimingRound([1.0], 1.0, series((1.0, 4.0), gpu_hz=[5, 1_000, None, 3_000, 2_000, 9_000]))
        assert measure(turn)["gpu_hz"] == {"min": 1_000, "median": 2_000, "max": 3_000}
        assert measure(at())["gpu_hz"] is None

    def test_a_locked_clock_that_stays_is_no_throttling(self):
        got = measure(at(1300.5, 1300.5, 1290.0))
        assert (got["throttled"], got["why_throttled"], got["clocks_locked"]) == (False, None, True)

    def test_a_locked_clock_that_falls_in_a_tenth_of_the_readings_is_throttling(self):
        got = measure(at(*[1300.5] * 18, 854.25, 930.0))
        assert got["throttled"] is True
        assert "below the 1.30 GHz that it is locked at in 2 of 20 readings, down to 0.85 GHz" in got["why_throttled"]

    @pytest.mark.parametrize("low", [1, 2])
    def test_a_few_low_readings_of_many_are_not(self, low: int):
        assert measure(at(*[1300.5] * 30, *[900.0] * low))["throttled"] is False

    def test_one_low_reading_of_two_is_not_enough_to_say_so(self):
        assert measure(at(1300.5, 900.0))["throttled"] is False

    def test_a_free_clock_that_is_low_throughout_is_no_throttling(self):
        assert measure(at(*[600.0] * 9), before=board(FREE))["throttled"] is False

    def test_a_falling_clock_with_rising_latency_is_throttling_locked_or_not(self):
        turn = at(*[1300.5] * 5, *[1122.0] * 4, latency=[1.0] * 50 + [1.16] * 50)
        for clocks in (FREE, replace(FREE, locked=None)):
            got = measure(turn, before=board(clocks))
            assert got["throttled"] is True
            assert got["why_throttled"] == "the GPU clock fell from 1.30 GHz to 1.12 GHz while latency rose by 16%"

    def test_drift_over_turns_is_seen(self):
        first, second, third = (at(*[mhz] * 3, latency=[ms] * 9) for mhz, ms in ((1300, 1.0), (1200, 1.1), (1000, 1.3)))
        assert measure(first, second, third, before=board(FREE))["throttled"] is True
        assert measure(third, second, first, before=board(FREE))["throttled"] is False

    def test_a_slow_spell_that_has_passed_is_throttling(self):
        clocks = [1300.5] * 9 + [854.25] * 3 + [1300.5] * 6
        turn = at(*clocks, latency=[1.0] * 90 + [1.5] * 20 + [1.0] * 60)
        got = measure(turn, before=board(FREE))
        assert got["why_throttled"] == "the GPU clock fell from 1.30 GHz to 0.85 GHz while latency rose by 50%"

    def test_a_clock_that_is_slow_to_rise_is_none(self):
        turn = at(*[600.0] * 6, *[1300.5] * 6, latency=[2.0] * 30 + [1.0] * 60)
        assert measure(turn, before=board(FREE))["throttled"] is False

    def test_a_falling_clock_that_costs_nothing_is_no_throttling(self):
        turn = at(*[1300.5] * 5, *[1122.0] * 4)
        assert measure(turn, before=board(FREE))["throttled"] is False

    @pytest.mark.parametrize(
        ("turn", "clocks"),
        [
            (at(), LOCKED),
            (at(None, None, None), LOCKED),
            (at(1300.5), LOCKED),
            (at(*[1300.5] * 5), FREE),
            (at(*[1300.5] * 5), replace(LOCKED, gpu_max_hz=None)),
        ],
    )
    def test_too_few_readings_say_nothing(self, turn: TimingRound, clocks: Clocks):
        got = measure(turn, before=board(clocks))
        assert (got["throttled"], got["why_throttled"]) == (None, None)

    def test_work_of_the_processor_is_judged_by_its_own_clock(self):
        turn = at(*[2035.2] * 5, *[1200.0] * 5, clock="cpu_hz")
        got = measure(turn, how=ORT)
        assert got["throttled"] is True and "the CPU clock was below the 2.04 GHz" in got["why_throttled"]
        assert measure(turn, how=TENSORRT)["throttled"] is None

    @given(st.lists(st.none() | st.integers(0, MAX_HZ), max_size=30), samples, st.sampled_from([LOCKED, FREE]))
    def test_there_is_a_reason_whenever_it_throttled_and_only_then(
        self, readings: list[int | None], values: list[float], clocks: Clocks
    ):
        throttled, why = sensors.throttling([series(gpu_hz=readings)], values, clocks)
        assert (throttled is True) == (why is not None)
        assert why is None or "\n" not in why


class TestLine:
    def test_a_line_says_with_what_where_and_how_it_was_measured(self):
        got = measure(TimingRound([1.0, 2.0], 1.0, series()))
        assert got == {
            **POINT.model_dump(),
            "device": "tx2", "job": "job-1", "at": 1.5, "tool": "trtexec", "version": "8.2.1", "precision": "fp16",
            "provider": "TensorRT", "threads": None, "batch": 1, "n": 2, "p50_ms": 1.5, "p90_ms": None, "p99_ms": None,
            "mean_ms": 1.5, "gpu_p50_ms": None, "h2d_p50_ms": None, "d2h_p50_ms": None, "transfers": True,
            "throughput_qps": 2.0, "power_mw": None, "energy_mj": None, "rounds": 1, "interleaved_with": 2,
            "temperatures_c": {}, "gpu_hz": None, "power_mode": "MAXN", "clocks_locked": True, "throttled": None,
            "why_throttled": None, "board": "Jetson TX2, L4T 32.7.1", "settings": {"warmup_ms": 200},
            "why_no_power": "its rail VDD_IN gave no reading while the queries ran; "
            "measure for more seconds, or look at its sensors",
        }  # fmt: skip

    def test_it_says_what_the_power_is_of(self):
        rail = "sum of GPU, CPU"
        turn = TimingRound([1.0, 2.0], 1.0, series((0, 2), rail=rail, power=[1000, 2000, 3000]))
        got = measure(turn)
        assert (got["power_mw"], got["power_rail"]) == (2000.0, rail) and "why_no_power" not in got

    def test_it_says_why_there_is_no_power(self):
        reason = "its rail CV could not be read (Permission denied), and a sum without it would be too small"
        turn = TimingRound([1.0, 2.0], 1.0, series(rail="sum of GPU, CV", power=[None, None]))
        got = measure(turn, before=replace(board(), why_no_power=reason))
        assert got["why_no_power"] == reason and "power_rail" not in got
        got = measure(TimingRound([1.0, 2.0], 1.0, series(rail=None)))
        assert got["why_no_power"] == "the board reports no power"

    def test_what_trtexec_said_makes_a_turn(self):
        timing = output.parse(
            trtexec_output.V8_2, "", trtexec_output.times((8, 2, 1)), (8, 2, 1), trtexec_output.WARMUP_MS
        )
        document = {
            "seconds": 4.0,
            "sensors": {"t": [0.0, 3.996], "total_rail": "VDD_IN", "power_mw": {"VDD_IN": [1, 7]}},
        }
        turn = trtexec_round(timing, document)
        assert (turn.samples_ms, turn.gpu_ms, turn.seconds) == (
            trtexec_output.LATENCY_MS,
            trtexec_output.GPU_MS,
            trtexec_output.WALLTIME_S,
        )
        got = measure(turn)
        assert (got["n"], got["p50_ms"], got["gpu_p50_ms"], got["h2d_p50_ms"]) == (5, 1.26, 1.2, 0.05)
        assert (got["power_mw"], got["energy_mj"]) == (7.0, 0.0112)

    def test_what_onnx_runtime_measured_makes_a_turn(self):
        document = {
            "samples_ms": [2.0, 3.0, 4.0], "seconds": 0.5, "from_s": 1.0, "to_s": 2.0,
            "sensors": {"t": [0.0, 1.5], "total_rail": "VDD_IN", "power_mw": {"VDD_IN": [1, 6]}},
        }  # fmt: skip
        got = measure(onnxruntime_round(document), how=ORT)
        assert (got["p50_ms"], got["throughput_qps"], got["energy_mj"], got["gpu_p50_ms"]) == (3.0, 6.0, 1.0, None)
