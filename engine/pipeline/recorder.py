"""Measured points and how a run resumes from them: the side effects of `pipeline`, kept out of its sight."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.data import thumbnails
from engine.data.load import Data, Split
from engine.errors import WorkError
from engine.export import onnx, quantize
from engine.export.evaluate import evaluate_onnx
from engine.graph.cost import Cost, CostModel, kept_widths
from engine.graph.metric import Metric
from engine.latency import host_timing
from engine.measure.counters import Counts, count
from engine.pipeline import transfer
from engine.pipeline.network import Network
from engine.pipeline.shared.baseline import evaluation
from engine.pipeline.shared.sharing import Sharing
from engine.pipeline.step import ON_THE_WAY, Progress, Standing, StandingRule, StepKey
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.outcomes import images, layers, predictions
from engine.storage.records import event
from engine.storage.records.measurement import Latency
from engine.storage.records.point import Point, Reached, Reconstruction, Requested
from engine.surgery import serialization
from engine.surgery.model_card import ModelCard
from engine.train.evaluate import Evaluation, evaluate

TIGHT = 0.02  # how far below its target a point may land without a note


@dataclass(frozen=True)
class Before:
    """What led to a baseline that is pruned already: how many cuts, and how many points of other runs."""

    cuts: int = 0
    points: int = 0


class Recorder:
    """Runs each step at most once: a step whose point is in the folder is read back, not done again."""

    def __init__(
        self,
        spec: RunSpec,
        folder: Run,
        data: Data,
        device: str,
        metric: Metric,
        units: float,
        before: Before = Before(),
        sharing: Sharing | None = None,
    ) -> None:
        self.before, self.sharing = before, sharing
        self.spec, self.folder, self.data, self.device, self.metric = spec, folder, data, device, metric
        self._points = folder.points()
        self.reconstruction: Reconstruction | None = None  # of the step that is being worked on
        self._baseline_cost: Cost | None = None  # known once the baseline's step is behind
        self.progress = Progress(folder, units)
        self._started = time.monotonic()

    def step(
        self,
        key: StepKey,
        units: float | Callable[[Network], float],
        work: Callable[[int], Network],
        standing: Standing | StandingRule = ON_THE_WAY,
    ) -> Network:
        """The network of a step, in the form in which it is stored, whether from now or from before an interruption.

        `work` gets the step's number, `units` is its share of the run's progress; `standing` says where its point
        stands, as far as need be once it is measured.
        """
        number = next((point.point for point in self._points if key.is_of(point)), None)
        if number is None:
            number = len(self._points)
            self._started, self.reconstruction = time.monotonic(), None
            network = work(number)
            self._record(key, number, network, standing)
        else:
            network = Network(
                *serialization.read(self.folder.model_file(number, "plan.json"), self._weights(number)),
                transfer.read(self.folder.model_file(number, transfer.SUFFIX)),
            )
        if key.stage == "baseline":
            self._baseline_cost = CostModel(network.structure.summary)()
        self.progress.pass_units(units if isinstance(units, int | float) else units(network))
        return network

    def point(self, key: StepKey) -> Point:
        """The point of a finished step."""
        return next(point for point in self._points if key.is_of(point))

    def under(self, spec: RunSpec) -> "Recorder":
        """The same under another request of the same run, such as one candidate of a search."""
        other = copy.copy(self)
        other.spec, other.progress = spec, copy.copy(self.progress)
        return other

    def is_final(self, keep: float) -> bool:
        """Whether a target has its last point."""
        return any(point.final and point.keep == keep for point in self._points)

    def cost(self, network: Network) -> float:
        """What a network costs, in units of the target's metric."""
        return self.metric.of(CostModel(network.structure.summary))

    def note(self, text: str) -> None:
        """Write to the run's events what a reader of its points should know."""
        self.folder.append_event(event.Note(text=text))

    def checkpoint(self, number: int) -> Path:
        """Where the training of a step keeps what it resumes from."""
        return self.folder.checkpoint_file(number)

    def report(self, key: StepKey, message: str, part: float = 0.0) -> None:
        """Write to the folder what is going on; `part` is how much of the step's units is done."""
        self.progress.report(key, message, part)

    def pass_units(self, units: float) -> None:
        """Count work behind the run that is no step."""
        self.progress.pass_units(units)

    def _weights(self, number: int) -> Path:
        return self.folder.model_file(number, "safetensors")

    def _record(self, key: StepKey, number: int, network: Network, standing: Standing | StandingRule) -> None:
        """Measure and store; the line in points.jsonl comes last and says that everything else is there."""
        self.report(key, "measuring")
        _restore_form(network.module)
        card = self.card(number)
        plan_file = self.folder.model_file(number, "plan.json")
        serialization.write(network.module, network.plan, card, plan_file, self._weights(number))
        self.keep_adaptation(number, network)
        file = self.folder.model_file(number, "onnx")
        if key.stage == "quantized":
            exact = next(point.point for point in self._points if point.final and point.keep == key.keep)
            quantize.quantize_on_data(self.folder.model_file(exact, "onnx"), file, self.data)
        else:
            onnx.export(network.module, self.data.image, file, metadata=card.to_text(network.plan.to_json()))
        point = self._measure(key, number, network, standing)
        _restore_form(network.module)
        self.append(point)
        self.checkpoint(number).unlink(missing_ok=True)
        self.folder.append_event(
            event.PointEvent(point=number, stage=key.stage, phase=key.phase, keep=key.keep, top1=point.top1)
        )

    def keep_adaptation(self, number: int, network: Network) -> None:
        """Write what goes along with the network of a point in a transfer."""
        transfer.write(network, self.folder.model_file(number, transfer.SUFFIX))

    def card(self, number: int) -> ModelCard:
        """What the files of a point say of their network."""
        data = self.data
        return ModelCard(data.image, data.mean, data.std, data.classes, self.folder.id, number)

    def _measure(self, key: StepKey, number: int, network: Network, standing: Standing | StandingRule) -> Point:
        file = self.folder.model_file(number, "onnx")
        timed = host_timing.time_onnx(file, self.data.image)
        test, val = (self._accuracy(key, file, network, split) for split in (self.data.reported, self.data.val))
        self._keep_outcome(number, network, test)
        source = None if self.data.target is None else self._accuracy(key, file, network, self.data.test).top1
        place = standing(network, val.top1) if callable(standing) else standing
        described = self.describe(key, network, timed)
        if key.stage == "quantized":
            described["bytes"] = quantize.stored_bytes(file)
        note = self._note(key, described["got"], described["predicted_ms"]) if place.final else None
        return Point(
            point=number,
            final=place.final,
            top1=test.top1,
            top5=test.top5_share,
            loss=test.loss,
            correct=test.correct,
            total=test.total,
            val_top1=val.top1,
            val_total=val.total,
            latency=(timed,),
            seconds=round(time.monotonic() - self._started, 2),
            note="; ".join(filter(None, (place.note, note))) or None,
            before_recovery=place.before_recovery,
            trajectory=place.trajectory,
            place=place.place,
            passed=place.passed,
            chance=self._chance,
            reconstruction=self.reconstruction,
            criterion=place.criterion,
            depth_share=place.depth_share,
            answer=place.answer,
            source_top1=source,
            target_top1=None if source is None else test.top1,
            **described,
        )

    def _keep_outcome(self, number: int, network: Network, test: Evaluation) -> None:
        """Write what the network names each test image and what its layers cost; at first what the images are."""
        if not images.is_kept(self.folder.path):
            images.write(self.folder.path, thumbnails.describe_test(self.data))
        predictions.write(self.folder.model_file(number, predictions.SUFFIX), test.predictions.numpy())
        layers.write(self.folder.model_file(number, layers.SUFFIX), CostModel(network.structure.summary).by_layer())

    def describe(self, key: StepKey, network: Network, timed: Latency | None = None) -> dict[str, Any]:
        """The values of a point that no image is needed for: which step it is of, its sizes, and what is gone."""
        counts, metric = self._counts(network), self.spec.target.metric
        return {
            "stage": key.stage,
            "phase": key.phase,
            "keep": key.keep,
            "step": key.step,
            "params": counts.params,
            "macs": counts.macs,
            "bytes": counts.bytes,
            "asked": None if key.stage == "baseline" else Requested(metric=metric, keep=key.keep),
            "blocks_removed": tuple(block for step in network.plan.steps[self.before.cuts :] for block in step.blocks),
            "widths": self._widths(network),
            "got": self._reached(network, timed),
            "predicted_ms": self._predicted_ms(network),
        }

    def append(self, point: Point) -> None:
        """Write a point whose files, where it has any, are there."""
        self.folder.append_point(point)
        self._points.append(point)

    def points(self) -> tuple[Point, ...]:
        """The points so far."""
        return tuple(self._points)

    @cached_property
    def _chance(self) -> float:
        """The share of the test images that are of their commonest class."""
        labels = self.data.reported.labels
        return int(torch.bincount(labels).max()) / len(labels)

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
        if key.stage == "baseline" and self.sharing is not None:
            measure = partial(evaluate, network.module, split, self.data, self.device)
            return evaluation(self.sharing, network, split, self.data, measure)
        return evaluate(network.module, split, self.data, self.device)

    def _reached(self, network: Network, timed: Latency | None) -> Reached:
        """What came out, as shares of the baseline."""
        cost, latency = CostModel(network.structure.summary)(), None
        if timed is not None and self.spec.target.metric == "latency":
            latency = timed.p50_ms / (self._points[0].latency[0].p50_ms if self._points else timed.p50_ms)
        return Reached.of(cost, self._baseline_cost or cost, latency)

    def _predicted_ms(self, network: Network) -> float | None:
        """By the table of this machine's layers, where the target is a latency."""
        return round(self.cost(network), 4) if self.spec.target.metric == "latency" else None

    def _note(self, key: StepKey, reached: Reached, predicted: float | None) -> str | None:
        """Why a target's last point lies off the target, where it does."""
        metric, share = self.spec.target.metric, reached.share(self.spec.target.metric)
        if predicted is not None:
            base = self._points[0].predicted_ms if self._points else predicted
            share = None if base is None else predicted / base
        if share is None:
            raise WorkError(f"the baseline of run {self.folder.id} has no {metric} that a target can be a share of")
        if share > key.keep * (1 + 1e-6):
            return f"the floor of {self.spec.depth.floor} ended removal at {share:.3f}×, above the {key.keep:g}× asked"
        if share < (1 - TIGHT) * key.keep and key.phase == "layers":
            # Blocks are large: where they go last a point may land below its target.
            return f"the last block takes the {metric} to {share:.3f}×, below the {key.keep:g}× asked"
        return None

    def _widths(self, network: Network) -> dict[str, tuple[int, int]]:
        original = {name: width for name, (width, _) in self._points[0].widths.items()} if self._points else None
        return kept_widths(network.structure.summary, original)


def _restore_form(module: nn.Module) -> None:
    """Give a module the form in which `serialization.read` returns it, whatever it was used for."""
    module.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    module.eval().zero_grad(set_to_none=True)
