"""The layer profiles of networks on this host, by the names of their own modules."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort
import torch

from engine.boards.layers.assembly import with_layers
from engine.boards.layers.matching import Match
from engine.boards.layers.names import read_names
from engine.boards.onnx_support.network import read_network
from engine.boards.trtexec.layer_times import Row
from engine.latency.layers.events import KernelTimes
from engine.latency.layers.matching import match_kernels
from engine.latency.layers.sessions import PROVIDER, NetworkTimes, Report, time_side_by_side
from engine.measure import machine
from engine.storage.timings.layers import LayerProfile

TOOL = "onnxruntime"
_VECTORS = {"AVX512": 16, "AVX2": 8, "SVE256": 8}  # float32 numbers in one vector, by torch's names
_BYTES_OF = {"fp32": 4, "int8": 1}  # a weight
_OTHER_VECTOR = 4  # of 128 bits, as SSE and NEON have


@dataclass(frozen=True)
class Subject:
    """A network to profile: whose point it is, and its file. `fresh_weights` stand in for those that are not kept."""

    run: str
    point: int
    file: Path
    precision: str = "fp32"
    fresh_weights: bool = False


def profile_side_by_side(
    subjects: Sequence[Subject], image: tuple[int, int, int], threads: int, report: Report
) -> list[LayerProfile]:
    """A profile of each; they take turns within this process, on one image, on the CPU.

    Raises WorkError where ONNX Runtime cannot run one, RequestError where a file cannot be read.
    """
    times = time_side_by_side([subject.file for subject in subjects], image, threads, report)
    return [_profile(subject, of, threads) for subject, of in zip(subjects, times, strict=True)]


def vector_width() -> int:
    """How many float32 numbers one vector of this processor holds."""
    return _VECTORS.get(torch.backends.cpu.get_cpu_capability(), _OTHER_VECTOR)


def _moved(kernel: KernelTimes, match: Match, bytes_of_weight: int) -> int:
    """All bytes that a kernel reads and writes; weights that were packed anew are counted by the network's own."""
    own = 0 if match.copy else sum(each.size for each in match.operations if each.weights)
    return kernel.values + max(kernel.weights, own * bytes_of_weight)


def _profile(subject: Subject, times: NetworkTimes, threads: int) -> LayerProfile:
    matches = match_kernels(times.kernels, read_names(subject.file), read_network(subject.file))
    each = _BYTES_OF[subject.precision]
    rows = [
        Row(kernel.name, kernel.ms, kernel.ms, _moved(kernel, match, each))
        for kernel, match in zip(times.kernels, matches, strict=True)
    ]
    made = LayerProfile(
        run=subject.run,
        point=subject.point,
        tool=TOOL,
        version=ort.__version__,
        precision=subject.precision,
        provider=PROVIDER,
        threads=threads,
        host=machine.cpu_model(),
        vector=vector_width(),
        latency_ms=round(times.latency_ms, 6),
        at=round(time.time(), 1),
        fresh_weights=subject.fresh_weights or None,
    )
    return with_layers(made, rows, times.count, matches)
