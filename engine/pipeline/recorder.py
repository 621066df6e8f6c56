"""Measured points and how a run resumes from them: the side effects of `pipeline`, kept out of its sight."""

import dataclasses
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
from engine.graph.cost import CostModel
from engine.graph.metric import Metric
from engine.graph.summarize import Structure, summarize
from engine.latency import host_timing
from engine.measure.counters import count
from engine.spec import catalog
from engine.spec.run import RunSpec
from engine.storage.job_folder import Run
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

    stage: str  # "baseline" | "pruned" | "recovered" | "quantized"
    phase: str  # "train" | "layers" | "channels" | "alternate"
    keep: float
    final: bool = False
    step: int | None = None  # of an iterative method, from 1

    def label(self) -> str:
        if self.stage == "baseline":
            return "baseline"
        return f"{self.keep:g}×: {self.phase}" + (f" step {self.step}" if self.step else "")

    def of(self, point: dict[str, Any]) -> bool:
        told = (point["stage"], point["phase"], point["keep"], point.get("step"))
        return told == (self.stage, self.phase, self.keep, self.step)


class Recorder:
    """Runs each step at most once: a step whose point is in the folder is read back, not done again."""

    def __init__(self, spec: RunSpec, folder: Run, data: Data, device: str, metric: Metric, units: float) -> None:
        self.spec, self.folder, self.data, self.device, self.metric = spec, folder, data, device, metric
        self._points = folder.points()
        self._units, self._done, self._progress = units, 0.0, 0.0
        self._started = time.monotonic()

    def step(
        self,
        key: StepKey,
        units: float | Callable[[Network], float],
        work: Callable[[int], Network],
        *,
        ends: Callable[[Network], bool] = lambda _: False,
    ) -> Network:
        """The network of a step, in the form in which it is stored, whether it was made now or before an interruption.

        `work` gets the step's number, `units` is its share of the run's progress; `ends` says of the network that was
        made whether it is its target's last one.
        """
        number = next((p["point"] for p in self._points if key.of(p)), None)
        if number is None:
            number = len(self._points)
            self._started = time.monotonic()
            network = work(number)
            self._record(dataclasses.replace(key, final=key.final or ends(network)), number, network)
        else:
            network = Network(*serialization.read(self.folder.model_file(number, "plan.json"), self._weights(number)))
        self._done += units if isinstance(units, int | float) else units(network)
        return network

    def point(self, key: StepKey) -> dict[str, Any]:
        """The point of a step that was made."""
        return next(p for p in self._points if key.of(p))

    def is_final(self, keep: float) -> bool:
        """Whether a target has its last point."""
        return any(p["final"] and p["keep"] == keep for p in self._points)

    def cost(self, network: Network) -> float:
        """What a network costs, in units of the target's metric."""
        return self.metric.of(CostModel(network.structure.summary))

    def note(self, text: str) -> None:
        """Tell the run's record what a reader of its points should know."""
        self.folder.event("note", text=text)

    def checkpoint(self, number: int) -> Path:
        """Where the training of a step keeps what it resumes from."""
        return self.folder.checkpoint / f"p{number}.safetensors"

    def say(self, key: StepKey, message: str, part: float = 0.0) -> None:
        """Tell the folder what is going on; `part` is what of the step's units is done."""
        self._progress = max(self._progress, min((self._done + part) / self._units, 0.999))
        progress = self._progress
        self.folder.update(phase=key.phase, message=f"{key.label()}, {message}", progress=round(progress, 4))
        self.folder.event(
            "phase", phase=key.phase, keep=key.keep, stage=key.stage, message=message, progress=round(progress, 4)
        )

    def epochs(self, key: StepKey, doing: str, units: float) -> Callable[[EpochResult], None]:
        """A listener that writes an event and the progress after every epoch."""

        def on_epoch(epoch: EpochResult) -> None:
            self.folder.event("epoch", stage=key.stage, phase=key.phase, keep=key.keep, **vars(epoch))
            self.say(key, f"{doing}, epoch {epoch.epoch}/{epoch.epochs}", units * epoch.epoch / epoch.epochs)

        return on_epoch

    def _weights(self, number: int) -> Path:
        return self.folder.model_file(number, "safetensors")

    def _record(self, key: StepKey, number: int, network: Network) -> None:
        """Measure and store; the line in points.jsonl comes last and says that everything else is there."""
        self.say(key, "measuring")
        _at_rest(network.module)
        serialization.write(
            network.module, network.plan, self.folder.model_file(number, "plan.json"), self._weights(number)
        )
        file = self.folder.model_file(number, "onnx")
        if key.stage == "quantized":
            of = next(p["point"] for p in self._points if p["final"] and p["keep"] == key.keep)
            quantize.quantize_on_data(self.folder.model_file(of, "onnx"), file, self.data)
        else:
            onnx.export(network.module, self.data.image, file)
        point = self._measure(key, number, network)
        _at_rest(network.module)
        self.folder.append_point(point)
        self._points.append(point)
        self.checkpoint(number).unlink(missing_ok=True)
        self.folder.event("point", point=number, stage=key.stage, phase=key.phase, keep=key.keep, top1=point["top1"])

    def _measure(self, key: StepKey, number: int, network: Network) -> dict[str, Any]:
        structure = network.structure
        counts = count(network.module, self.data.image)
        counted, predicted = (counts.macs, counts.params), (structure.summary.macs, structure.summary.params)
        if counted != predicted:
            raise WorkError(f"two ways of counting MACs and parameters disagree: {counted} and {predicted}")
        file = self.folder.model_file(number, "onnx")
        timed = host_timing.time_onnx(file, self.data.image)
        test, val = (self._accuracy(key, file, network, split) for split in (self.data.test, self.data.val))
        asked = None if key.stage == "baseline" else {"metric": self.spec.target.metric, "keep": key.keep}
        point = {
            "point": number,
            "stage": key.stage,
            "phase": key.phase,
            "keep": key.keep,
            "final": key.final,
            **({} if key.step is None else {"step": key.step}),
            "top1": test.top1,
            "top5": test.top5_share,
            "loss": test.loss,
            "correct": test.correct,
            "total": test.total,
            "val_top1": val.top1,
            "val_total": val.total,
            "params": counts.params,
            "macs": counts.macs,
            "bytes": quantize.stored_bytes(file) if key.stage == "quantized" else counts.bytes,
            "asked": asked,
            "blocks_removed": [block for step in network.plan.steps for block in step.blocks],
            "widths": self._widths(structure),
            "latency": [timed.as_json()],
            "seconds": round(time.monotonic() - self._started, 2),
        }
        return point | self._reached(key, structure, point, timed.p50_ms)

    def _accuracy(self, key: StepKey, file: Path, network: Network, split: Split) -> Evaluation:
        """What the stored network does on a split: int8 ones are files only."""
        if key.stage == "quantized":
            return evaluate_onnx(file, split, self.data)
        return evaluate(network.module, split, self.data, self.device)

    def _reached(self, key: StepKey, structure: Structure, point: dict[str, Any], p50_ms: float) -> dict[str, Any]:
        """What came out, as shares of the baseline, and a note where it is not what was asked."""
        base, metric = self._points[0] if self._points else point, self.spec.target.metric
        got = {name: point[name] / base[name] for name in ("macs", "params")}
        out: dict[str, Any] = {"got": got}
        if metric == "latency":
            base_ms = base["latency"][0]["p50_ms"]
            out["predicted_ms"] = round(self.metric.of(CostModel(structure.summary)), 4)
            got["latency"] = p50_ms / base_ms
        reached = got[metric] if metric in ("macs", "params") else out["predicted_ms"] / self._predicted_base(out)
        if key.final and reached < (1 - TIGHT) * key.keep and key.phase == "layers":
            # Blocks are large: where they go last a point may land lower than asked.
            out["note"] = f"the last block takes the {metric} to {reached:.3f}×, below the {key.keep:g}× asked"
        if key.final and reached > key.keep * (1 + 1e-6):
            floor = self.spec.depth.floor
            out["note"] = f"the floor of {floor} ended removal at {reached:.3f}×, above the {key.keep:g}× asked"
        return out

    def _predicted_base(self, out: dict[str, Any]) -> float:
        return float(self._points[0]["predicted_ms"] if self._points else out["predicted_ms"])

    def _widths(self, structure: Structure) -> dict[str, list[int]]:
        """Original and kept output channels of every convolution, in order of depth; 0 kept in removed blocks."""
        now = {layer.name: layer.width for layer in structure.summary.layers if layer.kind != "linear"}
        original = {n: w[0] for n, w in self._points[0]["widths"].items()} if self._points else now
        return {name: [width, now.get(name, 0)] for name, width in original.items()}


def _at_rest(module: nn.Module) -> None:
    """As `saved.read` gives it, whatever it was used for."""
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
