"""What runs will take on the disk, by arithmetic: more rather than less. No torch."""

from collections.abc import Iterable

from engine.pipeline.duration.estimate import Job
from engine.spec.phases import ends_with_recovery
from engine.spec.run import RunSpec

RUN_BYTES = 1_500_000  # records, the log, small pictures of test images
POINT_BYTES = 150_000  # a plan, and what the network names each of some thousand test images
_FILES = 2  # of each point: its weights, and the ONNX file
_CHECKPOINT = 2  # networks: weights and momenta, while a training goes on


def bytes_of(jobs: Iterable[Job]) -> int:
    """The bytes of some runs together, as if nothing became smaller; the steps of iterative methods not counted in."""
    return sum(_run(job) for job in jobs)


def largest(jobs: Iterable[Job]) -> int:
    """The bytes of the largest of some runs, with what it resumes from."""
    return max((_run(job) + 4 * job.summary.params * _CHECKPOINT for job in jobs), default=0)


def _run(job: Job) -> int:
    return RUN_BYTES + points_of(job.spec) * (POINT_BYTES + 4 * _FILES * job.summary.params)


def points_of(spec: RunSpec) -> int:
    """How many networks a run keeps: the baseline, and of each target one for each cut and recovery."""
    if spec.target.asks_accuracy:
        return 3 + spec.int8
    each = sum(1 + ends_with_recovery(spec, phase) for phase in spec.phases())
    return 1 + len(spec.target.keep) * (each + spec.int8)
