"""What the executor asks of a cluster: to take arrays of jobs, to say which exist, and to cancel them. No torch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.jobs.executors.slurm.task import Task


@dataclass(frozen=True)
class Needs:
    """What a job needs of its node: cores, and a GPU or none."""

    threads: int
    gpu: bool = False


@dataclass(frozen=True)
class Place:
    """A job by the name of its array and its number in there."""

    array: str
    number: int


@dataclass(frozen=True)
class Standing:
    """A job that the cluster knows of: its id, and whether it waits for a node."""

    job: str
    waits: bool


@dataclass(frozen=True)
class End:
    """How a job has ended in the cluster's own words, such as CANCELLED, and on which host; "" where it cannot say."""

    state: str = ""
    host: str = ""


class Cluster(Protocol):
    """A SLURM cluster, or this computer in its place."""

    name: str  # in sentences: "SLURM job"
    most: int  # jobs of one array
    poll_seconds: float  # between two looks at the folders of runs under way
    look_seconds: float  # between two questions to the cluster
    report_seconds: float  # between two looks at what a job says of itself
    submit_seconds: float  # between two arrays

    def submit(self, folder: Path, tasks: Sequence[Task], needs: Needs) -> list[str]:
        """Submits an array, named as its folder is, which is there; the ids of its jobs. WorkError with a refusal."""

    def standings(self) -> Mapping[Place, Standing] | None:
        """This user's jobs that have not ended; None where the cluster cannot be asked at this moment."""

    def cancel(self, jobs: Collection[str]) -> None:
        """Ends jobs, politely first; nothing of those that have ended."""

    def end_of(self, job: str) -> End:
        """How a job has ended."""

    def avoid(self, host: str) -> None:
        """Puts nothing more on a host."""
