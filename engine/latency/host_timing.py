"""Latency of an ONNX file on this host, labelled by the provider that really ran.

One query at a time, the next on completion of the last, as MLPerf's single stream does; its sample sizes say from
when a percentile may be shown.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from engine.errors import RequestError, WorkError
from engine.export.runtime import ORT_ERRORS, first_line, session_options, silence
from engine.latency.sampling import sample_queries
from engine.statistics.samples import percentiles
from engine.storage.records.measurement import Latency

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}

_WARMUP_RUNS, _WARMUP_SECONDS, _WARMUP_CAP_SECONDS = 10, 0.1, 2.0
_FEWEST_SAMPLES, _CAP_SECONDS = 3, 10.0


def time_onnx(
    path: Path,
    image: tuple[int, int, int],
    *,
    provider: str = "cpu",
    threads: int = 1,
    batch: int = 1,
    seconds: float = 1.0,
    min_n: int = 200,
) -> Latency:
    """Runs `path` on fixed random images until `min_n` queries and `seconds` are both reached.

    Slow networks end after 10 s, with three queries at least. Raises RequestError for a provider that is unknown or
    not what ran, and WorkError when ONNX Runtime cannot run the file.
    """
    _check(provider, threads, batch)
    session = _session(path, provider, threads)
    images = np.random.default_rng(0).standard_normal((batch, *image), dtype=np.float32)
    feed = {session.get_inputs()[0].name: images}
    try:
        session.run(None, feed)
    except ORT_ERRORS as error:
        raise WorkError(f"ONNX Runtime cannot run {path} on {images.shape} images: {first_line(error)}") from None
    samples = _sample(lambda: session.run(None, feed), seconds, min_n)
    p50, p90, p99 = percentiles(samples)
    ran = session.get_providers()[0]
    return Latency(provider=ran, threads=threads, batch=batch, n=len(samples), p50_ms=p50, p90_ms=p90, p99_ms=p99)


def _check(provider: str, threads: int, batch: int) -> None:
    if provider not in PROVIDERS:
        raise RequestError(f"unknown provider {provider!r}; allowed: {', '.join(PROVIDERS)}")
    if threads < 1 or batch < 1:
        raise RequestError(f"threads and batch must be at least 1 (got {threads} and {batch})")


def _session(path: Path, provider: str, threads: int) -> ort.InferenceSession:
    requested = PROVIDERS[provider]
    if requested not in ort.get_available_providers():
        raise RequestError(
            f"this ONNX Runtime has no {provider} provider; it has {_names(ort.get_available_providers())}"
        )
    options, providers = session_options(threads), list(dict.fromkeys([requested, PROVIDERS["cpu"]]))
    with silence():  # what ran is read off the session instead
        if provider != "cpu":
            ort.preload_dlls()  # CUDA's libraries as pip installed them for torch
        try:
            session = ort.InferenceSession(str(path), options, providers=providers)
        except ORT_ERRORS as error:
            raise WorkError(f"ONNX Runtime cannot open {path}: {first_line(error)}") from None
    ran = session.get_providers()
    if ran[0] != requested:
        raise RequestError(
            f"{provider} was asked for and ONNX Runtime fell back to {_names(ran)}; "
            f"time with provider cpu, or install what {requested} needs"
        )
    return session


def _names(providers: Sequence[str]) -> str:
    short = {long: name for name, long in PROVIDERS.items()}
    return ", ".join(short.get(p, p) for p in providers)


def _sample(query: Callable[[], object], seconds: float, min_n: int) -> list[float]:
    """Milliseconds of each query, after a warm-up."""
    started, runs = time.perf_counter(), 0
    while (spent := time.perf_counter() - started) < _WARMUP_CAP_SECONDS:
        if runs >= _WARMUP_RUNS and spent >= _WARMUP_SECONDS:
            break
        query()
        runs += 1
    return sample_queries(query, seconds=seconds, min_n=min_n, cap_seconds=_CAP_SECONDS, fewest=_FEWEST_SAMPLES)
