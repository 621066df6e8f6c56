"""A job as the queue sees it. No torch."""

from dataclasses import dataclass
from typing import Literal

from engine.storage.folders.job import Job
from engine.storage.landscapes.job import Landscape
from engine.storage.records.status import State
from engine.storage.timings.job import Timing

Kind = Literal["run", "gallery", "timing", "landscape"]


def kind_of(job: Job) -> Kind:
    """What kind of job of the user's it is."""
    return "timing" if isinstance(job, Timing) else "landscape" if isinstance(job, Landscape) else "run"


@dataclass(frozen=True, slots=True)
class Head:
    """A job as the queue sees it: in which state it is, in which lane it goes, and how many points it has.

    `stamp` is its folder's (`Place.stamp`) before anything in it was read.
    """

    job_id: str
    stamp: str
    kind: Kind
    lane: str
    state: State
    foreground: bool
    queued: float
    created: float
    points: int

    def needs_process(self) -> bool:
        """Whether a process works on the job of the user's, if nothing went wrong."""
        return self.kind != "gallery" and (self.state == "running" or (self.state == "queued" and self.foreground))

    def waits_or_runs(self) -> bool:
        """Whether it is a job of the user's that still changes."""
        return self.kind != "gallery" and self.state in ("running", "queued")
