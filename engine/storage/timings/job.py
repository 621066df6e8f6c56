"""The folder of a timing on a board: the request, what was measured until every run has its part, raw samples."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import RequestError, WorkError
from engine.spec import board_timing
from engine.storage import atomic, files
from engine.storage.job_folder import Job
from engine.storage.records.event import TurnEvent
from engine.storage.records.measurement import Measurement


class Timing(Job):
    """The folder of a timing on a board, below the results folder's `timings/`."""

    noun = "timing"
    resumes = "starts anew"

    @property
    def root(self) -> Path:
        """The results folder."""
        return self.path.parents[1]

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

    def keep_samples(self, name: str, document: dict[str, Any]) -> None:
        """Keeps raw samples and what was printed, as `samples/<name>.json`."""
        path = self.path / "samples" / f"{name}.json"
        with atomic.as_work_error(path):
            files.make_folder(path.parent)
        atomic.write_json(path, document)
