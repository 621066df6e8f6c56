"""A step of a run: which one it is, where its point stands, and what its folder says of it while it is worked on."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from engine.pipeline.network import Network
from engine.storage.folders.run import Run
from engine.storage.records import event
from engine.storage.records.point import Answer, Point, Stage
from engine.train.checkpoint import epochs_done
from engine.train.fit import EpochResult


@dataclass(frozen=True)
class StepKey:
    """Which step a point is the result of; a run has one point for each."""

    stage: Stage
    phase: str  # "train" | "layers" | "channels" | "alternate"
    keep: float
    step: int | None = None  # of an iterative method, from 1

    def label(self) -> str:
        if self.stage == "baseline":
            return "baseline"
        return f"{self.keep:g}×: {self.phase}" + (f" step {self.step}" if self.step else "")

    def is_of(self, point: Point) -> bool:
        """Whether a point is the result of this step."""
        return (point.stage, point.phase, point.keep, point.step) == (self.stage, self.phase, self.keep, self.step)


BASELINE = StepKey("baseline", "train", 1.0)


@dataclass(frozen=True)
class Standing:
    """Where a point stands on the way: whether it is its target's last one, or the last before the recovery that is.

    A step of an iterative method has a trajectory, a place in it from 1, and the targets that were passed by then. The
    result of a search has what it was made with, an answer, and a note that says it in words.
    """

    final: bool = False
    before_recovery: bool = False
    trajectory: str | None = None
    place: int | None = None
    passed: tuple[float, ...] | None = None
    criterion: str | None = None
    depth_share: float | None = None
    answer: Answer | None = None
    note: str | None = None


ON_THE_WAY = Standing()
StandingRule = Callable[[Network, float], Standing]  # of a new network and its validation accuracy


def epoch_event(key: StepKey, epoch: EpochResult) -> event.Epoch:
    """The line of an epoch of a step's training."""
    return event.Epoch(
        stage=key.stage,
        phase=key.phase,
        keep=key.keep,
        epoch=epoch.epoch,
        epochs=epoch.epochs,
        loss=epoch.loss,
        train_top1=epoch.train_top1,
        val_top1=epoch.val_top1,
        lr=epoch.lr,
        seconds=epoch.seconds,
    )


def resumption(folder: Run) -> tuple[str, ...]:
    """Where a run goes on from that was stopped before, a sentence without full stop; none of one that begins."""
    points = folder.points()
    trained = epochs_done(folder.checkpoint / f"p{len(points)}.safetensors")
    behind = []
    if points:
        last = points[-1]
        key = StepKey(cast(Stage, last.stage), last.phase, last.keep, last.step)
        behind.append(f"point {last.point} ({key.label()}, {last.stage})" if last.point else "the baseline")
    if trained:
        behind.append(f"epoch {trained} of the training after it" if points else f"epoch {trained} of the baseline")
    return (f"goes on after {' and '.join(behind)}",) if behind else ()


class Progress:
    """How far a run is, in units of which a whole one has `units`: it is written to the run's status and events."""

    WAIT = 1.0  # s between two times that batches are heard of: each is a file written whole

    def __init__(self, folder: Run, units: float) -> None:
        self._folder, self._units, self._behind = folder, units, 0.0
        self._share = folder.status_or_new().progress  # of one that goes on
        self._written = -math.inf

    def pass_units(self, units: float) -> None:
        """Count work that is behind the run."""
        self._behind += units

    def report(self, key: StepKey, message: str, part: float = 0.0) -> None:
        """Write what is going on; `part` is how much of the step's units is done."""
        share = self._write(key, message, part)
        self._folder.append_event(
            event.PhaseEvent(phase=key.phase, keep=key.keep, stage=key.stage, message=message, progress=share)
        )

    def epochs(self, key: StepKey, message: str, units: float) -> Callable[[EpochResult], None]:
        """A listener that writes an event and the progress after every epoch."""

        def on_epoch(epoch: EpochResult) -> None:
            self._folder.append_event(epoch_event(key, epoch))
            self.report(key, f"{message}, epoch {epoch.epoch}/{epoch.epochs}", units * epoch.epoch / epoch.epochs)

        return on_epoch

    def batches_of_epochs(self, key: StepKey, message: str, epochs: int) -> Callable[[float], None]:
        """A listener for `fit` that writes where in which epoch a training is, each epoch a unit."""

        def on_batch(behind: float) -> None:
            epoch = max(1, math.ceil(behind))
            self._write_in_time(key, f"{message}, epoch {epoch}/{epochs}, {behind - epoch + 1:.0%}", behind)

        return on_batch

    def batches(self, key: StepKey, message: str, batches: int) -> Callable[[float], None]:
        """A listener for `fit_batches` that writes how many batches are behind."""
        return lambda behind: self._write_in_time(key, f"{message}, {behind:.0f} of {batches} batches", 0.0)

    def _write_in_time(self, key: StepKey, message: str, part: float) -> None:
        if time.monotonic() - self._written >= self.WAIT:
            self._write(key, message, part)

    def _write(self, key: StepKey, message: str, part: float) -> float:
        self._share = max(self._share, min((self._behind + part) / self._units, 0.999))
        share = round(self._share, 4)
        self._folder.update(phase=key.phase, message=f"{key.label()}, {message}", progress=share)
        self._written = time.monotonic()
        return share
