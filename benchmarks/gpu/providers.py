"""ONNX Runtime's providers where they load: what they give beside the CPU's logits, and their latency."""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from benchmarks.gpu.agreement import Subject
from benchmarks.gpu.findings import Section
from engine.errors import RequestError, WorkError
from engine.export import onnx
from engine.export.runtime import silence
from engine.latency.host_timing import PROVIDERS, time_onnx

TOLERANCE = 1e-2  # of the largest logit: providers may multiply with 10 bits of mantissa
BATCHES = (1, 128)


def check_providers(subject: Subject) -> Section:
    """A provider that does not load is named with its reason, and is no failure."""
    rows, wrong = [], []
    with tempfile.TemporaryDirectory(prefix="espalier-gpu-") as scratch:
        file = Path(scratch) / "network.onnx"
        onnx.export(subject.module, subject.data.image, file)
        for provider in PROVIDERS:
            try:
                latencies = [_milliseconds(file, subject, provider, batch) for batch in BATCHES]
            except (RequestError, WorkError) as error:
                rows.append([provider, "–", "–", "–", f"does not load: {error}"])
                continue
            difference = _difference(file, subject, provider)
            ok = difference <= TOLERANCE
            wrong += [] if ok else [provider]
            rows.append([provider, *latencies, f"{difference:.1e}", "agrees" if ok else "**differs**"])
    head = ("provider", *(f"{batch} images, ms" for batch in BATCHES), "difference", "verdict")
    return Section("ONNX Runtime", head, tuple(rows), tuple(wrong))


def _milliseconds(file: Path, subject: Subject, provider: str, batch: int) -> str:
    latency = time_onnx(file, subject.data.image, provider=provider, batch=batch, seconds=subject.sizes.timed, min_n=10)
    return f"{latency.p50_ms:.3f}"


def _difference(file: Path, subject: Subject, provider: str) -> float:
    """Of a provider's logits from torch's on the CPU, as a share of the largest."""
    images = subject.images(64)
    with torch.inference_mode():
        expected = subject.module.eval()(images).numpy()
    wanted = list(dict.fromkeys([PROVIDERS[provider], PROVIDERS["cpu"]]))
    with silence():
        session = ort.InferenceSession(str(file), providers=wanted)
    got = session.run([onnx.OUTPUT], {onnx.INPUT: images.numpy()})[0]
    return float(np.abs(got - expected).max() / np.abs(expected).max())
