"""Networks side by side in ONNX Runtime with its profiler: what each of its kernels took, and the whole without it.

They take turns within one process, in blocks, so that whatever slows the machine down for a while meets all of them.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from engine.errors import WorkError
from engine.export.runtime import ORT_ERRORS, first_line, session_options
from engine.latency.layers.events import KernelTimes, read_events
from engine.statistics.samples import percentiles

PROVIDER = "CPUExecutionProvider"
_BLOCKS, _WARM = 10, 2  # turns of each network; queries of a turn that are not counted
_TRIES = 3  # queries by the fastest of which it is known how many a turn takes
_SECONDS, _FEWEST, _MOST = 1.5, 2, 20  # of each network in all; queries of a turn that count
_LARGEST = 512 << 20  # bytes of a profile that is read

Report = Callable[[float, str], None]  # how much is done, 0 to 1, and what goes on


@dataclass(frozen=True)
class NetworkTimes:
    """One network: its kernels in the order in which they ran, and the median of the whole without the profiler, ms.

    `count` is how many inferences were profiled.
    """

    kernels: tuple[KernelTimes, ...]
    count: int
    latency_ms: float


class _Network:
    """A network's two sessions, the one with the profiler writing into `folder`."""

    def __init__(self, path: Path, image: tuple[int, int, int], threads: int, folder: Path) -> None:
        self.path, self.samples = path, list[float]()
        profiled = session_options(threads)
        profiled.enable_profiling = True
        profiled.profile_file_prefix = str(folder / "profile")
        try:
            self._plain = ort.InferenceSession(str(path), session_options(threads), providers=[PROVIDER])
            self._profiled = ort.InferenceSession(str(path), profiled, providers=[PROVIDER])
            images = np.random.default_rng(0).standard_normal((1, *image), dtype=np.float32)
            self._feed: dict[str, NDArray[np.float32]] = {self._plain.get_inputs()[0].name: images}
            took = min(self._query() for _ in range(_TRIES))
        except ORT_ERRORS as error:
            raise WorkError(f"ONNX Runtime cannot run {path.name}: {first_line(error)}") from None
        self.per_turn = int(min(max(_SECONDS / 2 / _BLOCKS / max(took, 1e-6), _FEWEST), _MOST))

    def time_plainly(self) -> None:
        """One turn without the profiler."""
        for number in range(_WARM + self.per_turn):
            seconds = self._query()
            if number >= _WARM:
                self.samples.append(seconds * 1e3)

    def _query(self) -> float:
        """Seconds of one query without the profiler."""
        started = time.perf_counter()
        self._plain.run(None, self._feed)
        return time.perf_counter() - started

    def profile(self) -> None:
        """One turn with it."""
        for _ in range(_WARM + self.per_turn):
            self._profiled.run(None, self._feed)

    def end(self) -> NetworkTimes:
        """What came out of all turns."""
        file = Path(self._profiled.end_profiling())
        if file.stat().st_size > _LARGEST:
            raise WorkError(f"ONNX Runtime's profile of {self.path.name} is larger than {_LARGEST >> 20} MiB")
        turn = _WARM + self.per_turn
        counted = [number for number in range(turn * _BLOCKS) if number % turn >= _WARM]
        kernels = read_events(file.read_bytes(), counted)
        return NetworkTimes(kernels, len(counted), percentiles(self.samples)[0])


def time_side_by_side(
    files: Sequence[Path], image: tuple[int, int, int], threads: int, report: Report
) -> list[NetworkTimes]:
    """The times of the ONNX files on one image, batch 1, on the CPU; `report` hears how far it is.

    Raises WorkError where ONNX Runtime cannot run one of them.
    """
    with tempfile.TemporaryDirectory(prefix="espalier-layers-") as scratch:
        networks = [_Network(file, image, threads, Path(scratch)) for file in files]
        for block in range(_BLOCKS):
            report(block / _BLOCKS, f"timing layers, turn {block + 1} of {_BLOCKS}")
            for network in networks:
                network.time_plainly()
            for network in networks:
                network.profile()
        report(1.0, "reading the profiles")
        return [network.end() for network in networks]
