"""What trtexec printed, and the times that it exported, of each version from 7.1 to 11. Pure.

Whatever is not there, or is no number, raises WorkError: nothing is ever taken for 0. The formats were read in NVIDIA's
published sources (samples/common/sampleReporting.cpp and logging.h).
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.boards.trtexec.commands import Version, exports_times
from engine.boards.trtexec.failure import Cause, EngineRefused, find_cause
from engine.boards.trtexec.log import Message, read_messages
from engine.boards.trtexec.summary import Summary, number, parse_summary
from engine.errors import WorkError

_TOLERANCE = 1e-3  # of the samples against the summary: both are single precision, printed with six digits
_MOST_WARNINGS, _LONGEST_WARNING = 20, 1000
_TOO_LARGE = 1e12  # for any time in ms

_VERDICT = re.compile(r"^ *&&&& (PASSED|FAILED|WAIVED)\b(.*)$")
_BANNER = re.compile(r"\[TensorRT v(\d{4,6})(?!\d)")  # a build's tag may stand behind it
_ONE_RUN = re.compile(r"Average on 1 runs - GPU latency: (\S+) ms - Host latency: (\S+) ms")


@dataclass(frozen=True)
class Outcome:
    """How a run of trtexec ended; `failure` is why it failed, None when it passed."""

    version: Version | None
    warnings: tuple[str, ...]
    failure: Cause | None

    @property
    def cause(self) -> str | None:
        return None if self.failure is None else self.failure.clause

    @property
    def status(self) -> str:
        return "passed" if self.failure is None else "failed"

    def or_fail(self, doing: str) -> "Outcome":
        """Itself; raises WorkError with the cause, EngineRefused where that is the engine, when trtexec failed."""
        if self.failure is not None:
            kind = EngineRefused if self.failure.of_engine else WorkError
            raise kind(f"{doing} failed: {self.failure.clause}")
        return self


@dataclass(frozen=True)
class Samples:
    """Each query after the warm-up, in the order of time, milliseconds; transfers are None where not reported."""

    latency_ms: tuple[float, ...]
    gpu_ms: tuple[float, ...]
    h2d_ms: tuple[float, ...] | None
    d2h_ms: tuple[float, ...] | None


@dataclass(frozen=True)
class Timing:
    """A measurement whose samples and summary agree; `transfers` says whether they are part of the latency."""

    version: Version | None
    warnings: tuple[str, ...]
    transfers: bool
    summary: Summary
    samples: Samples


def read_outcome(out: str, err: str, *, version: Version, code: int | None = None) -> Outcome:
    """How a build or a measurement ended, from both its streams and the exit status; never raises for a failure."""
    messages = [*read_messages(out), *read_messages(err)]
    verdicts = [match for message in messages if (match := _VERDICT.match(message.text))]
    passed = bool(verdicts) and verdicts[-1].group(1) == "PASSED" and not code
    banner_version = next((_version(match.group(1)) for each in messages if (match := _BANNER.search(each.text))), None)
    failure = None if passed else find_cause(out, err, version=banner_version or version, code=code)
    return Outcome(banner_version, _warnings(messages), failure)


def parse(
    out: str,
    err: str,
    times: Any,
    version: Version,
    warmup_ms: float,
    *,
    code: int | None = None,
    times_error: str | None = None,
) -> Timing:
    """The measurement that trtexec of `version` made with a warm-up of `warmup_ms`.

    `times` is what it exported, None when it exported nothing; `times_error` then says why. Raises WorkError when it
    failed, when numbers are missing or are none, and when its samples and its summary disagree.
    """
    result = read_outcome(out, err, version=version, code=code).or_fail("timing with trtexec")
    lines = [message.text.strip() for message in read_messages(out)]
    summary = parse_summary(lines)
    if times is not None:
        samples = _exported(times, warmup_ms, summary.n)
    elif exports_times(version):
        raise WorkError(f"trtexec passed but its exported times are missing ({times_error or 'nothing was read'})")
    else:
        samples = _one_by_one(lines)
    _check_agreement(summary, samples)
    return Timing(result.version, result.warnings, _transfers(lines, result.version or version), summary, samples)


def _version(digits: str) -> Version:
    """v8201 is 8.2.1 and v100200 is 10.2.0."""
    code = int(digits)
    major = 1000 if code < 100_000 else 10_000
    return code // major, code % major // 100, code % 100


def _warnings(messages: Iterable[Message]) -> tuple[str, ...]:
    """Each once; a line that begins with spaces goes on with the one before."""
    warnings: list[str] = []
    for message in messages:
        if message.level == "W" and message.text.startswith("  ") and warnings:
            warnings[-1] += " " + message.text.strip()
        elif message.level == "W" and message.text.strip():
            warnings.append(message.text.strip())
    return tuple(dict.fromkeys(text[:_LONGEST_WARNING] for text in warnings))[:_MOST_WARNINGS]


def _transfers(lines: Iterable[str], version: Version) -> bool:
    """Before 11 they are in unless left out, from 11 on the reverse; the command line comes again at the end."""
    command = [line for line in lines if _VERDICT.match(line)][-1].split()
    return "--includeDataTransfers" in command if version >= (11,) else "--noDataTransfers" not in command


def _exported(times: Any, warmup_ms: float, n: int) -> Samples:
    """Without the warm-up, which is part of the file up to 8.4; transfers have other names there before 8.0."""
    if not isinstance(times, list) or not times or not all(isinstance(row, dict) for row in times):
        raise WorkError("the times that trtexec exported are no list of queries: time it again")
    older = "inMs" in times[0]
    starts = _column(times, "startComputeMs")
    columns = np.array([_column(times, key) for key in _keys(older)])
    first = int(np.argmax(starts >= warmup_ms)) if starts[-1] >= warmup_ms else len(starts)
    first = _after_rounding(starts, first, n, warmup_ms)
    if len(starts) - first != n:
        raise WorkError(
            f"trtexec exported {len(starts) - first} queries after the warm-up and tells of {n}: time it again"
        )
    latency, gpu, h2d, d2h = (tuple(column[first:].tolist()) for column in columns)
    return Samples(latency, gpu, h2d, d2h)


def _keys(older: bool) -> tuple[str, ...]:
    return ("latencyMs", "computeMs", "inMs", "outMs") if older else ("latencyMs", "computeMs", "h2dMs", "d2hMs")


def _column(rows: list[dict[str, Any]], key: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    values = [row.get(key) for row in rows]
    if not all(isinstance(value, int | float) and 0 <= value < _TOO_LARGE for value in values):
        raise WorkError(
            f"in the times that trtexec exported {key} is missing, or is no number to be used: time it again"
        )
    return np.array(values, dtype=np.float64)


def _after_rounding(starts: Any, first: int, n: int, warmup_ms: float) -> int:
    """Six digits can lift the start of the last warm-up query to the very end of the warm-up."""
    counted = len(starts) - n
    return counted if counted > first and starts[counted - 1] <= warmup_ms * (1 + 1e-5) else first


def _one_by_one(lines: Iterable[str]) -> Samples:
    """From a line for each query, as 7.1 prints with --avgRuns=1."""
    queries = [match.groups() for line in lines if (match := _ONE_RUN.search(line))]
    gpu = tuple(number(each, "GPU latency", "ms") for each, _ in queries)
    latency = tuple(number(each, "host latency", "ms") for _, each in queries)
    return Samples(latency, gpu, None, None)


def _check_agreement(summary: Summary, samples: Samples) -> None:
    n = len(samples.latency_ms)
    if n != summary.n:
        raise WorkError(
            f"{n} of {summary.n} queries reached us from trtexec's output, which was cut: time it for fewer seconds"
        )
    statistics = (("least", min, "min_ms"), ("median", np.median, "median_ms"), ("greatest", max, "max_ms"))
    for what, values, spread in (
        ("latency", samples.latency_ms, summary.latency),
        ("GPU compute time", samples.gpu_ms, summary.gpu),
    ):
        for name, statistic, attribute in statistics:
            mine, printed = float(statistic(values)), float(getattr(spread, attribute))
            if not math.isclose(mine, printed, rel_tol=_TOLERANCE):
                raise WorkError(
                    f"trtexec's times and its summary disagree: the {name} {what} is {mine:g} ms in the times "
                    f"and {printed:g} ms in the summary; time it again"
                )
