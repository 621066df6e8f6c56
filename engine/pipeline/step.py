"""A step of a run: which one it is, where its point stands, and the lines that its training writes."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.pipeline.network import Network
from engine.storage.records import event
from engine.storage.records.point import Answer, Point, Stage
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
