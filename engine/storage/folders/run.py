"""The folder of a run: its points, what boards measured of them, and its files. No torch.

Timings of a run's points on boards come from other processes than its own, and go to a file of their own under a lock
of its own. So do those of a point's layers on this host, each in a whole file.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import RequestError, WorkError
from engine.spec import phases
from engine.spec import run as run_spec
from engine.spec.settings import with_earlier
from engine.storage import atomic, files
from engine.storage.folders.job import Job
from engine.storage.locks import Lock
from engine.storage.records import earlier
from engine.storage.records.event import Attempts, Epoch
from engine.storage.records.measurement import Measurement
from engine.storage.records.point import Point
from engine.storage.records.record import Record

R = TypeVar("R", bound=Record)
_POINTS, _MEASUREMENTS = "points.jsonl", "measurements.jsonl"


class Run(Job):
    """A run folder. `gallery` marks one that is shipped with the project and is only read.

    Its timings on boards may be in a `measurements_file` outside of the folder, as a gallery run's are, and then so are
    those of its layers.
    """

    noun = "run"
    resumes = "goes on from its last finished step"

    def __init__(self, path: Path, *, gallery: bool = False, measurements_file: Path | None = None) -> None:
        super().__init__(path)
        self.gallery = gallery
        self._measurements_file = measurements_file

    @property
    def root(self) -> Path:
        """The results folder, also of a gallery run whose timings on boards are in one."""
        return self.measurements_file.parent.parent if self.gallery else super().root

    @property
    def measurements_file(self) -> Path:
        """The file of what boards measured of the run's points; may not exist."""
        return self._measurements_file or self.path / _MEASUREMENTS

    def layer_times_file(self, point: int) -> Path:
        """The file of what a point's layers take on this host: beside the point; that of a gallery run is elsewhere."""
        name = f"p{point}.layer_times.json"
        if self._measurements_file is not None:
            return self._measurements_file.with_name(f"{self.id}.{name}")
        return self.path / "models" / name

    @property
    def checkpoint(self) -> Path:
        """The folder of what the run resumes from; may not exist."""
        return self.path / "checkpoint"

    def spec(self) -> run_spec.RunSpec:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        request = self.request()
        return run_spec.parse(with_earlier(request, run_spec.RunSpec))

    def _group(self) -> str | None:
        with suppress(RequestError, WorkError):
            return self.spec().group()
        return None

    # -- what came out

    def append_point(self, point: Point) -> None:
        """Adds a point; the line comes last of all that belongs to it, and says that the rest is there."""
        atomic.append_line(self._points, point.to_json())
        self.tell_change()

    def points(self) -> list[Point]:
        """The points as they were written; WorkError when a line is damaged."""
        return _records(Point, self._points)

    @property
    def _points(self) -> Path:
        return self.path / _POINTS

    def described_points(self) -> list[Point]:
        """The points, and with each what earlier versions did not write of it (`earlier.describe_points`)."""
        return earlier.describe_points(self.points(), self._phases())

    def point_blocks(self) -> Iterator[bytes]:
        """The finished lines of the points, many at once."""
        return self.read_blocks(_POINTS)

    def points_of_block(self, block: bytes, before: int) -> Iterator[Point]:
        """The points of some lines, so many lines after the first, by the reader that says what is wrong with one."""
        for number, line in enumerate(io.BytesIO(block), before + 1):
            yield self._point_of_line(line, number)[0]

    def described_documents(self, request: Mapping[str, Any]) -> Iterator[tuple[Point, dict[str, Any]]]:
        """The same one after the other, each with the JSON object of its line and of what is added to it."""
        for point, document, description in earlier.descriptions(self._point_documents(), phases.of_request(request)):
            yield (replace(point, **description), document | description) if description else (point, document)

    def _point_documents(self) -> Iterator[tuple[Point, dict[str, Any]]]:
        lines = chain.from_iterable(map(io.BytesIO, self.point_blocks()))
        for number, line in enumerate(lines, 1):
            yield self._point_of_line(line, number)

    def _point_of_line(self, line: bytes, number: int) -> tuple[Point, dict[str, Any]]:
        path, place = f"{self.path}/{_POINTS}", f"line {number}"
        document = atomic.parse_object(line, path, place)
        return Point.from_json(document, f"{path}, {place},"), document

    def attempts(self) -> list[Attempts]:
        """What an iterative method attempted, once for each step, in the order of the steps."""
        steps = self.events(Attempts)
        return earlier.describe_attempts(steps, self._phases()) if steps else []

    def _phases(self) -> run_spec.RunSpec:
        return phases.of_request(self.request())

    def append_measurement(self, measurement: Measurement) -> None:
        """Adds what a board measured of one of the points; any process may, at any time."""
        file = self.measurements_file
        with atomic.as_work_error(file):
            files.make_folder(file.parent)
        lock = Lock(file.with_name(f".{file.name}.lock"))
        with lock.holding(wait=30.0) as acquired:
            if not acquired:
                raise WorkError(f"another process has been writing {file} for half a minute; try again")
            atomic.append_line(file, measurement.to_json())
        self.tell_change()

    def measurements(self) -> list[Measurement]:
        """Everything that boards measured of the points, oldest first; WorkError when a line is damaged."""
        if self._measurements_file is None and not self.has(_MEASUREMENTS):
            return []
        return _records(Measurement, self.measurements_file)

    def model_file(self, point: int, suffix: str) -> Path:
        """`models/p<point>.<suffix>`, for example suffix `plan.json`; the folder exists then, the file may not."""
        path = self.path / "models" / f"p{point}.{suffix.lstrip('.')}"
        with atomic.as_work_error(path):
            files.make_folder(path.parent)
        return path

    def checkpoint_file(self, point: int) -> Path:
        """`checkpoint/p<point>.safetensors`; the folder exists then, the file may not."""
        path = self.checkpoint / f"p{point}.safetensors"
        with atomic.as_work_error(path):
            files.make_folder(path.parent)
        return path

    def steps(self) -> int:
        """How many different steps are behind the run: points, and epochs of each stage, however often repeated."""
        epochs = {(epoch.stage, epoch.phase, epoch.keep, epoch.epoch) for epoch in self.events(Epoch)}
        return len(self.points()) + len(epochs)


def _records(kind: type[R], path: Path) -> list[R]:
    return [kind.from_json(line, f"{path}, line {n},") for n, line in enumerate(atomic.read_lines(path), 1)]
