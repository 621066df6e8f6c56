"""The folder of a timing on a board: the request, what was measured until every run has it, raw samples, layers."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import RequestError, WorkError
from engine.spec import board_timing
from engine.storage import atomic, files
from engine.storage.folders.job import Job
from engine.storage.records.event import TurnEvent
from engine.storage.records.measurement import Measurement
from engine.storage.timings.layers import LayerProfile


class Timing(Job):
    """The folder of a timing on a board, below the results folder's `timings/`."""

    noun = "timing"
    resumes = "starts anew"

    def spec(self) -> board_timing.TimingRequest:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        return board_timing.parse(self.request())

    def _group(self) -> str | None:
        with suppress(RequestError, WorkError):
            return self.spec().digest()
        return None

    def steps(self) -> int:
        """The turns that were measured."""
        return len({(turn.model, turn.round) for turn in self.events(TurnEvent)})

    # -- what was measured, from its end until every run has its part

    def keep_pending(self, measurements: Sequence[Measurement]) -> None:
        """Keeps what was measured, each with its `run`, until `forget_pending`."""
        atomic.write_json(self._pending, {"measurements": [measurement.to_json() for measurement in measurements]})

    def pending_measurements(self) -> list[Measurement]:
        """What has not reached all of its runs yet; WorkError when the file is damaged."""
        if not self._pending.is_file():
            return []
        lines = atomic.read_json(self._pending).get("measurements")
        if not isinstance(lines, list):
            raise WorkError(f"{self._pending} is damaged: it lacks measurements")
        return [Measurement.from_json(line, str(self._pending)) for line in lines]

    def forget_pending(self) -> None:
        with atomic.as_work_error(self._pending):
            self._pending.unlink(missing_ok=True)

    @property
    def _pending(self) -> Path:
        return self.path / "measured.json"

    # -- beside the measurements

    def keep_layers(self, profile: LayerProfile) -> None:
        """Keeps what the layers of one point took, as `layers/<run>.<point>.json`."""
        self._keep(self.path / "layers" / f"{profile.run}.{profile.point}.json", profile.to_json())

    def layers(self) -> list[LayerProfile]:
        """What was kept of each point's layers, in the order of the request; WorkError when a file is damaged."""
        paths = [self.path / "layers" / f"{point}.json" for point in self.spec().points]
        return [LayerProfile.from_json(atomic.read_json(path), str(path)) for path in paths if os.path.lexists(path)]

    def keep_samples(self, name: str, document: dict[str, Any]) -> None:
        """Keeps raw samples and what was printed, as `samples/<name>.json`."""
        self._keep(self.path / "samples" / f"{name}.json", document)

    def _keep(self, path: Path, document: dict[str, Any]) -> None:
        with atomic.as_work_error(path):
            files.make_folder(path.parent)
        atomic.write_json(path, document)
