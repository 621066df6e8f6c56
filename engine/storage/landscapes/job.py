"""The folder of a landscape: the request, the one file of its figures, and the baseline of its networks. No torch."""

import os
from contextlib import suppress
from pathlib import Path

from engine.errors import RequestError, WorkError
from engine.spec.landscape import request as landscape_request
from engine.storage import atomic, files
from engine.storage.folders.job import Job
from engine.storage.landscapes.grid import Grid
from engine.storage.records.event import Epoch

MOST_BYTES = 64 * files.MIB  # of the file of figures; one of 441 networks of a hundred layers has 2


class Landscape(Job):
    """The folder of a landscape, below the results folder's `landscapes/`, or the gallery's."""

    noun = "landscape"
    resumes = "goes on from its last finished cell"

    def __init__(self, path: Path, *, gallery: bool = False) -> None:
        super().__init__(path)
        self.gallery = gallery

    @property
    def file(self) -> Path:
        """The file with all figures, which appears with the baseline's and is replaced whole with every cell."""
        return self.path / "landscape.json"

    def spec(self) -> landscape_request.LandscapeRequest:
        """The request; RequestError when this version does not read it, WorkError when the file is damaged."""
        return landscape_request.parse(self.request())

    def _group(self) -> str | None:
        with suppress(RequestError, WorkError):
            return self.spec().digest()
        return None

    def steps(self) -> int:
        """The cells that are behind it, and the epochs of its baseline."""
        grid = self.grid()
        epochs = {epoch.epoch for epoch in self.events(Epoch)}
        return len(epochs) + (0 if grid is None else 1 + len(grid.cells))

    def write_grid(self, grid: Grid) -> None:
        """Replaces the file of figures."""
        atomic.write_json(self.file, grid.to_json())

    def grid(self) -> Grid | None:
        """What is measured so far; None before the baseline is. WorkError when the file is damaged."""
        if not os.path.lexists(self.file):
            return None
        return Grid.from_json(atomic.read_json(self.file, MOST_BYTES), str(self.file))

    def baseline_files(self) -> tuple[Path, Path]:
        """Where the baseline's plan and its weights are; the folder exists then, the files may not."""
        folder = self._folder("models")
        return folder / "p0.plan.json", folder / "p0.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The folder of what the training of the baseline resumes from; may not exist."""
        return self.path / "checkpoint"

    def checkpoint_file(self) -> Path:
        """The file in it; the folder exists then, the file may not."""
        return self._folder("checkpoint") / "p0.safetensors"

    def _folder(self, name: str) -> Path:
        path = self.path / name
        with atomic.as_work_error(path):
            files.make_folder(path)
        return path
