"""What a sweep will take before it is begun: how many at once, how long, how much disk. Takes torch for the speed."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WorkError
from engine.jobs.executors.slots import gpu_need
from engine.jobs.preflight import check
from engine.jobs.sweep.inventory import Entry
from engine.measure.threads import compute_with
from engine.pipeline.duration import size
from engine.pipeline.duration.estimate import Estimate, Job, Speed, estimate
from engine.pipeline.summaries import summary_of
from engine.spec.run import RunSpec
from engine.units import si


@dataclass(frozen=True)
class Expected:
    """Some runs together: seconds where so many go on at once, `more` on top of it or not, and bytes on the disk."""

    seconds: float
    more: bool
    bytes: int


def jobs_of(specs: Sequence[RunSpec], results: Path, *, elsewhere: bool = False) -> Mapping[str, Job]:
    """Each spec with what is known of it, by its digest; RequestError for the first that cannot be met.

    Specs that differ in nothing but the seed are looked at once. Those that go on `elsewhere` may use a GPU that is not
    in this computer.
    """
    by_group: dict[str, Job] = {}
    jobs: dict[str, Job] = {}
    for spec in specs:
        group = spec.group()
        if group not in by_group:
            forecasts = check(spec, results, elsewhere=elsewhere)
            summary = summary_of(spec.model, spec.weights, spec.data, results)
            by_group[group] = Job(spec, summary, forecasts, trains=spec.weights == "none")
        known = by_group[group]
        jobs[spec.digest()] = Job(spec, known.summary, known.forecasts, known.trains)
    return jobs


def gpu_needs(jobs: Mapping[str, Job]) -> list[int]:
    """What each kind of run that wants a GPU takes of its memory; none where no run does."""
    return sorted({need for job in jobs.values() if (need := gpu_need(job.spec, job.summary))})


def expect(
    left: Sequence[Entry], jobs: Mapping[str, Job], places: int, threads: int, *, elsewhere: bool = False
) -> Expected:
    """What is left of a sweep, by a measurement of some seconds for each network and kind of images.

    What goes on `elsewhere` is measured on what this computer has.
    """
    from engine.pipeline.duration import speed

    compute_with(threads)
    by_kind: dict[str, list[Job]] = {}
    for entry in left:
        job = jobs[entry.spec.digest()]
        by_kind.setdefault(repr((job.spec.model, job.spec.data, job.spec.device)), []).append(job)
    total = Estimate(0.0)
    for kind in by_kind.values():
        spec = kind[0].spec.model_copy(update={"device": "auto"}) if elsewhere else kind[0].spec
        measured: Speed = speed.measure(spec)
        total += estimate(kind, speed.counts_of(kind[0].spec), measured)
    at_once = max(1, min(places, len(left)))
    return Expected(
        total.seconds / at_once, total.more, size.bytes_of(job for jobs in by_kind.values() for job in jobs)
    )


def room_check(root: Path, jobs: Mapping[str, Job]) -> Callable[[Entry], None]:
    """A check before each run, that raises WorkError where the disk is too full for one more of the largest."""
    need = size.largest(jobs.values())

    def check_room(entry: Entry) -> None:
        free = shutil.disk_usage(root).free
        if free < need:
            raise WorkError(
                f"the disk of {root} has {si(free, 'B')} free and the next run may take {si(need, 'B')}; free some "
                "space, as with `espalier clean`, and give the same command again"
            )

    return check_room
