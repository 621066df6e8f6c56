"""Measured points and how a run resumes from them: the side effects of `pipeline`, kept out of its sight."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.data.load import Data, Split
from engine.errors import RequestError, WorkError
from engine.export import onnx, quantize
from engine.export.evaluate import evaluate_onnx
from engine.graph.cost import Cost, CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure, summarize
from engine.latency import host_timing
from engine.measure.counters import Counts, count
from engine.spec import catalog
from engine.spec.run import RunSpec
from engine.storage.job_folder import Run
from engine.storage.records import event
from engine.storage.records.measurement import Latency
from engine.storage.records.point import Point, Reached, Requested, Stage
from engine.surgery import serialization
from engine.surgery.plan import Plan
from engine.train.evaluate import Evaluation, evaluate
from engine.train.fit import EpochResult

TIGHT = 0.02  # how far below its target a point may land without a note


@dataclass(frozen=True)
class Network:
    """A network on the road: the module and the plan that leads to it from the untouched model."""

    module: nn.Module
    plan: Plan

    @cached_property
    def structure(self) -> Structure:
        """Its trace and sheet. Weights may be trained on; its shape is never changed, a cut makes another network."""
        return summarize(self.module, self.plan.image, self.plan.model)


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


@dataclass(frozen=True)
class Standing:
    """Where a point stands on the way: whether it is its target's last one, or the last before the recovery that is.

    A step of an iterative method has a trajectory, a place in it from 1, and the targets that were passed by then.
    """

    final: bool = False
    before_recovery: bool = False
    trajectory: str | None = None
    place: int | None = None
    passed: tuple[float, ...] | None = None


Judge = Callable[[Network, float], Standing]  # of a new network and its validation accuracy


class Recorder:
    """Runs each step at most once: a step whose point is in the folder is read back, not done again."""

    def __init__(self, spec: RunSpec, folder: Run, data: Data, device: str, metric: Metric, units: float) -> None:
        self.spec, self.folder, self.data, self.device, self.metric = spec, folder, data, device, metric
        self._points = folder.points()
        self._baseline_cost: Cost | None = None  # known once the baseline's step is behind
        self._units, self._done, self._progress = units, 0.0, 0.0
        self._started = time.monotonic()

    def step(
        self,
        key: StepKey,
        units: float | Callable[[Network], float],
        work: Callable[[int], Network],
        standing: Standing | Judge = Standing(),
    ) -> Network:
        """The network of a step, in the form in which it is stored, whether it was made now or before an interruption.

        `work` gets the step's number, `units` is its share of the run's progress; `standing` says where its point
        stands, as far as need be once it is measured.
        """
        number = next((point.point for point in self._points if key.is_of(point)), None)
        if number is None:
            number = len(self._points)
            self._started = time.monotonic()
            network = work(number)
            self._record(key, number, network, standing)
        else:
            network = Network(*serialization.read(self.folder.model_file(number, "plan.json"), self._weights(number)))
        if key.stage == "baseline":
            self._baseline_cost = CostModel(network.structure.summary)()
        self._done += units if isinstance(units, int | float) else units(network)
        return network

    def point(self, key: StepKey) -> Point:
        """The point of a step that was made."""
        return next(point for point in self._points if key.is_of(point))

    def is_final(self, keep: float) -> bool:
        """Whether a target has its last point."""
        return any(point.final and point.keep == keep for point in self._points)

    def cost(self, network: Network) -> float:
        """What a network costs, in units of the target's metric."""
        return self.metric.of(CostModel(network.structure.summary))

    def note(self, text: str) -> None:
        """Tell the run's record what a reader of its points should know."""
        self.folder.append_event(event.Note(text=text))

    def checkpoint(self, number: int) -> Path:
        """Where the training of a step keeps what it resumes from."""
        return self.folder.checkpoint / f"p{number}.safetensors"

    def say(self, key: StepKey, message: str, part: float = 0.0) -> None:
        """Tell the folder what is going on; `part` is what of the step's units is done."""
        self._progress = max(self._progress, min((self._done + part) / self._units, 0.999))
        progress = self._progress
        self.folder.update(phase=key.phase, message=f"{key.label()}, {message}", progress=round(progress, 4))
        self.folder.append_event(
            event.PhaseEvent(
                phase=key.phase, keep=key.keep, stage=key.stage, message=message, progress=round(progress, 4)
            )
        )

    def epochs(self, key: StepKey, doing: str, units: float) -> Callable[[EpochResult], None]:
        """A listener that writes an event and the progress after every epoch."""

        def on_epoch(epoch: EpochResult) -> None:
            self.folder.append_event(
                event.Epoch(
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
            )
            self.say(key, f"{doing}, epoch {epoch.epoch}/{epoch.epochs}", units * epoch.epoch / epoch.epochs)

        return on_epoch

    def _weights(self, number: int) -> Path:
        return self.folder.model_file(number, "safetensors")

    def _record(self, key: StepKey, number: int, network: Network, standing: Standing | Judge) -> None:
        """Measure and store; the line in points.jsonl comes last and says that everything else is there."""
        self.say(key, "measuring")
        _at_rest(network.module)
        serialization.write(
            network.module, network.plan, self.folder.model_file(number, "plan.json"), self._weights(number)
        )
        file = self.folder.model_file(number, "onnx")
        if key.stage == "quantized":
            exact = next(point.point for point in self._points if point.final and point.keep == key.keep)
            quantize.quantize_on_data(self.folder.model_file(exact, "onnx"), file, self.data)
        else:
            onnx.export(network.module, self.data.image, file)
        point = self._measure(key, number, network, standing)
        _at_rest(network.module)
        self.folder.append_point(point)
        self._points.append(point)
        self.checkpoint(number).unlink(missing_ok=True)
        self.folder.append_event(
            event.PointEvent(point=number, stage=key.stage, phase=key.phase, keep=key.keep, top1=point.top1)
        )

    def _measure(self, key: StepKey, number: int, network: Network, standing: Standing | Judge) -> Point:
        counts = self._counts(network)
        file = self.folder.model_file(number, "onnx")
        timed = host_timing.time_onnx(file, self.data.image)
        test, val = (self._accuracy(key, file, network, split) for split in (self.data.test, self.data.val))
        stands = standing(network, val.top1) if callable(standing) else standing
        metric, reached, predicted = self.spec.target.metric, self._reached(network, timed), self._predicted_ms(network)
        return Point(
            point=number,
            stage=key.stage,
            phase=key.phase,
            keep=key.keep,
            final=stands.final,
            step=key.step,
            top1=test.top1,
            top5=test.top5_share,
            loss=test.loss,
            correct=test.correct,
            total=test.total,
            val_top1=val.top1,
            val_total=val.total,
            params=counts.params,
            macs=counts.macs,
            bytes=quantize.stored_bytes(file) if key.stage == "quantized" else counts.bytes,
            asked=None if key.stage == "baseline" else Requested(metric=metric, keep=key.keep),
            blocks_removed=tuple(block for step in network.plan.steps for block in step.blocks),
            widths=self._widths(network.structure),
            latency=(timed,),
            seconds=round(time.monotonic() - self._started, 2),
            got=reached,
            predicted_ms=predicted,
            note=self._note(key, reached, predicted) if stands.final else None,
            before_recovery=stands.before_recovery,
            trajectory=stands.trajectory,
            place=stands.place,
            passed=stands.passed,
        )

    def _counts(self, network: Network) -> Counts:
        """MACs, parameters and bytes; WorkError when two ways of counting disagree."""
        counts, summary = count(network.module, self.data.image), network.structure.summary
        counted, predicted = (counts.macs, counts.params), (summary.macs, summary.params)
        if counted != predicted:
            raise WorkError(f"two ways of counting MACs and parameters disagree: {counted} and {predicted}")
        return counts

    def _accuracy(self, key: StepKey, file: Path, network: Network, split: Split) -> Evaluation:
        """What the stored network does on a split: int8 ones are files only."""
        if key.stage == "quantized":
            return evaluate_onnx(file, split, self.data)
        return evaluate(network.module, split, self.data, self.device)

    def _reached(self, network: Network, timed: Latency) -> Reached:
        """What came out, as shares of the baseline."""
        cost = CostModel(network.structure.summary)()
        p50_ms = self._points[0].latency[0].p50_ms if self._points else timed.p50_ms
        latency = timed.p50_ms / p50_ms if self.spec.target.metric == "latency" else None
        return Reached.of(cost, self._baseline_cost or cost, latency)

    def _predicted_ms(self, network: Network) -> float | None:
        """By the table of this machine's layers, where the target is a latency."""
        return round(self.cost(network), 4) if self.spec.target.metric == "latency" else None

    def _note(self, key: StepKey, reached: Reached, predicted: float | None) -> str | None:
        """Why a target's last point is not what was asked for, where it is not."""
        metric, share = self.spec.target.metric, reached.share(self.spec.target.metric)
        if predicted is not None:
            base = self._points[0].predicted_ms if self._points else predicted
            share = None if base is None else predicted / base
        if share is None:
            raise WorkError(f"the baseline of run {self.folder.id} has no {metric} that a target can be a share of")
        if share > key.keep * (1 + 1e-6):
            return f"the floor of {self.spec.depth.floor} ended removal at {share:.3f}×, above the {key.keep:g}× asked"
        if share < (1 - TIGHT) * key.keep and key.phase == "layers":
            # Blocks are large: where they go last a point may land lower than asked.
            return f"the last block takes the {metric} to {share:.3f}×, below the {key.keep:g}× asked"
        return None

    def _widths(self, structure: Structure) -> dict[str, tuple[int, int]]:
        """Original and kept output channels of every convolution, in order of depth; 0 kept in removed blocks."""
        now = {layer.name: layer.width for layer in structure.summary.layers if layer.kind != "linear"}
        original = {name: width for name, (width, _) in self._points[0].widths.items()} if self._points else now
        return {name: (width, now.get(name, 0)) for name, width in original.items()}


def _at_rest(module: nn.Module) -> None:
    """As `serialization.read` gives it, whatever it was used for."""
    module.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    module.eval().zero_grad(set_to_none=True)


def find_same_baseline(folder: Run, spec: RunSpec) -> tuple[str, Network] | None:
    """The very same baseline from another run beside `folder`, trained with the same versions and threads; and its id.

    Training is repeatable for a seed and a number of threads, so doing it again would give the same weights. Files
    that the user named may have changed since: their baselines are always trained.
    """
    if spec.weights not in ("none", "hub") or spec.data.name not in catalog.DATASETS or spec.data.root:
        return None
    for path in sorted(folder.path.parent.iterdir()):
        other = Run(path)
        plan_file, weights_file = other.path / "models" / "p0.plan.json", other.path / "models" / "p0.safetensors"
        if path == folder.path or not weights_file.exists():
            continue
        try:
            if other.points() and other.env() == folder.env() and _baseline_of(other.spec()) == _baseline_of(spec):
                return other.id, Network(*serialization.read(plan_file, weights_file))
        except (RequestError, WorkError):  # another version's, damaged, or deleted meanwhile: not ours to judge
            continue
    return None


def _baseline_of(spec: RunSpec) -> tuple[Any, ...]:
    return spec.model, spec.weights, spec.data, spec.train, spec.seed
