"""How long a run takes on a machine whose speed was measured, by arithmetic. No torch.

Good to a factor of about one and a half: what a run does besides passing images through networks has a constant each,
as it took on two cores with a network of 20 layers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.data.cut import TEST_FRACTION
from engine.graph.summary import ModelSummary
from engine.pipeline.smallest.bisection import tries_expected
from engine.pipeline.smallest.candidate import candidates
from engine.prune.forecast import Forecast
from engine.spec import catalog
from engine.spec.parts import usual_images
from engine.spec.phases import ends_with_recovery, whole_epochs_each_step
from engine.spec.run import RunSpec
from engine.storage.records.record import Duration, Record, Whole

START_SECONDS = 8.0  # a process with torch, the images, the network
CUT_SECONDS = 1.0  # scores, the cut, its check
REFIT_SECONDS = 1.5  # the equations of a reconstruction
MEASURE_SECONDS = 1.5  # the ONNX file, and its latency on the host
INT8_SECONDS = 4.0  # calibration, another file, its accuracy
_REFIT_PASSES = 4  # of the calibration images through a network


@dataclass(frozen=True, kw_only=True)
class Speed(Record):
    """Seconds that an image takes on a machine: in a step of training, and in a forward pass."""

    train: Duration
    evaluate: Duration
    device: str
    threads: Whole


@dataclass(frozen=True)
class Images:
    """How many images the splits have in the end."""

    train: int
    val: int
    test: int


@dataclass(frozen=True)
class Estimate:
    """How long some runs take together; with `more`, what methods that go step by step attempt comes on top."""

    seconds: float
    more: bool = False

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.seconds + other.seconds, self.more or other.more)


@dataclass(frozen=True)
class Job:
    """A run with what is known of it beforehand; `trains`: its baseline is trained, and not only loaded."""

    spec: RunSpec
    summary: ModelSummary
    forecasts: Sequence[Forecast]
    trains: bool


def declared_counts(data: str) -> dict[str, int] | None:
    """The images of the splits of a dataset that a name alone stands for, of a pair its source's; None of others."""
    source = catalog.DATASETS.get(catalog.halves(data)[0])
    if source is None or source.counts is None:
        return None
    train, test = source.counts
    return {"train": train, "test": test}


def split_sizes(counts: Mapping[str, int], val_fraction: float, limit: int | None) -> Images:
    """The splits in the end: those that a source lacks are cut from train, and a limit is on each."""
    train, val, test = counts["train"], counts.get("val"), counts.get("test")
    if test is None:
        test = max(1, round(TEST_FRACTION * train))
        train -= test
    if val is None:
        val = max(1, round(val_fraction * train))
        train -= val
    sizes = (max(0, size) if limit is None else min(max(0, size), limit) for size in (train, val, test))
    return Images(*sizes)


def estimate(jobs: Iterable[Job], counts: Mapping[str, int], speed: Speed) -> Estimate:
    """How long some runs take one after the other. A baseline that several of them have is trained once."""
    total = Estimate(0.0)
    trained: set[str] = set()
    for job in jobs:
        images = split_sizes(counts, job.spec.data.val_fraction, job.spec.data.limit)
        baseline = _baseline_key(job.spec)
        if job.trains and baseline not in trained:
            total += Estimate(job.spec.train.epochs * _epoch(job.spec, images, speed, 1.0))
            trained.add(baseline)
        total += _after_baseline(job, images, speed)
    return total


def _baseline_key(spec: RunSpec) -> str:
    return repr((spec.model, spec.weights, spec.data, spec.train, spec.transfer, spec.seed))


def _after_baseline(job: Job, images: Images, speed: Speed) -> Estimate:
    spec = job.spec
    seconds = START_SECONDS + _adapting(job, images, speed) + _measure(images, speed, 1.0)
    total = Estimate(seconds)
    if spec.target.asks_accuracy:
        return total + Estimate(_search(spec, job.summary, images, speed))
    shares = {each.keep: each.macs / max(job.summary.macs, 1) for each in job.forecasts}
    removed = {each.keep: len(each.removed) for each in job.forecasts}
    for keep in spec.target.keep:
        total += _target(spec, job.summary, images, speed, shares.get(keep, keep), removed.get(keep, 0))
    return total


def _adapting(job: Job, images: Images, speed: Speed) -> float:
    """Weights that are given are carried over to the target of a pair first."""
    spec = job.spec
    carried_over = catalog.pair_of(spec.data.name) is not None and spec.transfer.adversarial
    if job.trains or not carried_over:
        return 0.0
    return spec.transfer.adapt_epochs * _epoch(spec, images, speed, 1.0)


def _target(spec: RunSpec, summary: ModelSummary, images: Images, speed: Speed, share: float, blocks: int) -> Estimate:
    """One target: each phase cut, refitted, fine-tuned and measured. `share` of the MACs is left in the end."""
    seconds, more = 0.0, False
    for phase in spec.phases():
        seconds += CUT_SECONDS + _refit(spec, summary, speed, share) + _measure(images, speed, share)
        if whole_epochs_each_step(spec, phase):
            seconds += blocks * spec.recover.epochs * _epoch(spec, images, speed, share)
        if ends_with_recovery(spec, phase):
            seconds += spec.recover.epochs * _epoch(spec, images, speed, share) + _measure(images, speed, share)
        more = more or spec.iterates(phase)
    return Estimate(seconds + INT8_SECONDS * spec.int8, more)


def _search(spec: RunSpec, summary: ModelSummary, images: Images, speed: Speed) -> float:
    """Tries that are judged by validation images alone, and the answer, fine-tuned and measured."""
    tries = tries_expected(len(candidates(spec)))
    each = CUT_SECONDS + _refit(spec, summary, speed, 1.0) + images.val * speed.evaluate
    answer = spec.recover.epochs * _epoch(spec, images, speed, 1.0) + _measure(images, speed, 1.0)
    return tries * each + answer + INT8_SECONDS * spec.int8


def _epoch(spec: RunSpec, images: Images, speed: Speed, share: float) -> float:
    """A pass over train and one over val; a teacher looks on, and a transfer has as many images of the target."""
    pair = catalog.pair_of(spec.data.name) is not None
    teacher = speed.evaluate if spec.recover.distil and share < 1.0 else 0.0
    return images.train * (speed.train * share * (1 + pair) + teacher) + images.val * speed.evaluate * share


def _measure(images: Images, speed: Speed, share: float) -> float:
    return MEASURE_SECONDS + (images.val + images.test) * speed.evaluate * share


def _refit(spec: RunSpec, summary: ModelSummary, speed: Speed, share: float) -> float:
    if not spec.recover.reconstruct:
        return 0.0
    looked_at = spec.recover.calibration_images or usual_images(summary.macs)
    return REFIT_SECONDS + _REFIT_PASSES * looked_at * speed.evaluate * share
