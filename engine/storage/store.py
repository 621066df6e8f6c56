"""What pages, commands and the queue ask of all jobs at once, answered by the index. No torch."""

import hashlib
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from engine.errors import RequestError, WorkError
from engine.spec.ids import RUN_ID
from engine.storage import files
from engine.storage.folders.job import Job
from engine.storage.folders.run import Run
from engine.storage.indexing import rows
from engine.storage.indexing.columns import PointColumns
from engine.storage.indexing.head import Head, Kind, kind_of
from engine.storage.indexing.index import Index
from engine.storage.indexing.places import Place
from engine.storage.indexing.rows import BESIDE, SETTINGS, index_row
from engine.storage.landscapes.job import Landscape
from engine.storage.results import GALLERY, ResultsFolder
from engine.storage.timings.job import Timing

__all__ = ["GALLERY", "Store"]

_ID = re.compile(RUN_ID)
_RUNS: tuple[Kind, ...] = ("run", "gallery")


class Store(ResultsFolder):
    """A results folder and the index of it; runs of the gallery are listed, too."""

    def __init__(self, root: Path, gallery: Path = GALLERY) -> None:
        super().__init__(root, gallery)
        kinds: tuple[Kind, ...] = ("run", "timing", "landscape")
        self._places = {kind: Place(folder, kind) for kind, folder in zip(kinds, self.folders, strict=True)}
        shipped = Place(gallery, "gallery", self.measurements_folder)
        self.index = Index(self.root / "index.sqlite", (shipped, *self._places.values()))

    def runs(self, ids: Collection[str] | None = None) -> list[dict[str, Any]]:
        """One summary for every run, or for those among `ids`, newest first."""
        return self._summaries(*_RUNS, ids=ids)

    def timings(self) -> list[dict[str, Any]]:
        """One summary for every timing on a board, newest first: the request, and how it stands."""
        return self._summaries("timing")

    def landscapes(self) -> list[dict[str, Any]]:
        """One summary for every landscape of the user's, newest first, under the keys that a run's has them by."""
        return self._summaries("landscape")

    def shipped_landscapes(self) -> list[dict[str, Any]]:
        """The same for the landscapes that are shipped with the project: few, and in no index."""
        place = Place(self.shipped_landscapes_folder, "landscape")
        if not place.folder.is_dir():
            return []
        ids = sorted(filter(_ID.fullmatch, files.names_in(place.folder)), reverse=True)
        return [from_json(index_row(job_id, place).summary) for job_id in ids]

    def points(self) -> list[dict[str, Any]]:
        """Every point of every run as its line in points.jsonl, with the run's settings, id, group and state beside.

        Among its latencies are those that boards measured, the last one under each condition.
        """
        points: list[dict[str, Any]] = []
        for head, summary in reversed(self.index.summaries(_RUNS)):
            if head.points:
                run = from_json(summary)
                settings = {key: run[key] for key in (*BESIDE, *SETTINGS)}
                with suppress(RequestError, WorkError):  # deleted or damaged in between, as the next look will say
                    points += [{**settings, **point} for point in self._point_documents(head)]
        return points

    def _point_documents(self, head: Head) -> list[dict[str, Any]]:
        run = self.run(head.job_id)
        with run.held():
            return list(rows.point_documents(run))

    def heads(self) -> dict[str, Head]:
        """Every job as the queue sees it, by its id; another object for each that changed since the last look."""
        return self.index.by_id()

    def open_heads(self) -> list[Head]:
        """The jobs of the user's that wait or run."""
        return self.index.open_heads()

    def columns(self, run_ids: Collection[str]) -> list[tuple[dict[str, Any], PointColumns]]:
        """The runs among some that have points, oldest first, each with its summary and its points as columns."""
        return [(from_json(summary), columns) for _, summary, columns in self.index.columns(run_ids)]

    def token(self) -> str:
        """A value that changes whenever any job did, or lost its process."""
        number, busy = self.index.token()
        lost = sorted(head.job_id for head in busy if self.is_lost(head))
        return hashlib.sha256(repr((number, lost)).encode()).hexdigest()[:16]

    def is_lost(self, head: Head) -> bool:
        """Whether a process should be working on a job and is dead."""
        if not head.needs_process():
            return False
        try:
            return self.job_of(head).observed_status().state == "interrupted"
        except WorkError:
            return False  # damaged in between, as the next look will say

    def job_of(self, head: Head) -> Run | Timing | Landscape:
        """The user's job that a head is of."""
        if head.kind == "timing":
            return Timing(self.timings_folder / head.job_id)
        if head.kind == "landscape":
            return Landscape(self.landscapes_folder / head.job_id)
        return Run(self.folder / head.job_id)

    def reindex(self) -> int:
        """Makes the index anew from the run folders; how many runs there are."""
        return self.index.rebuild()

    def note(self, job: Job) -> None:
        """Writes the index row of one job, so that a submission is in the queue when it returns."""
        self.index.put(job.id, self._places[kind_of(job)])

    def _summaries(self, *kinds: Kind, ids: Collection[str] | None = None) -> list[dict[str, Any]]:
        summaries: list[dict[str, Any]] = []
        for head, text in self.index.summaries(kinds, ids):
            summary = from_json(text)  # thousands of runs share their keys and most of their words
            if self.is_lost(head):
                lost = self.job_of(head).observed_status()
                summary |= {"state": lost.state, "message": lost.message}
            summaries.append(summary)
        return summaries
