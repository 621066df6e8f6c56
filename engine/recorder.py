"""Measured points and how a run resumes from them: the side effects of `pipeline`, kept out of its sight."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine import catalog
from engine.data.load import Data
from engine.errors import RequestError, WorkError
from engine.folder import Run
from engine.graph.describe import Described, describe
from engine.measure import latency, onnx
from engine.measure.counters import count
from engine.prune import saved
from engine.prune.plan import Plan
from engine.spec import RunSpec
from engine.train.evaluate import evaluate
from engine.train.loop import EpochResult

TIGHT = 0.02  # how far below its target a point may land without a note


@dataclass(frozen=True)
class Network:
    """A network on the road: the module and the plan that leads to it from the untouched model."""

    module: nn.Module
    plan: Plan

    def describe(self) -> Described:
        """Its trace and sheet, as it stands now."""
        return describe(self.module, self.plan.image, self.plan.model)


@dataclass(frozen=True)
class Key:
    """Which step a point is the result of; a run has one point for each."""

    stage: str  # "baseline" | "pruned" | "recovered"
    phase: str  # "train" | "layers" | "channels"
    keep: float
    final: bool = False

    def label(self) -> str:
        return "baseline" if self.stage == "baseline" else f"{self.keep:g}×: {self.phase}"

    def of(self, point: dict[str, Any]) -> bool:
        return (point["stage"], point["phase"], point["keep"]) == (self.stage, self.phase, self.keep)


class Recorder:
    """Runs each step at most once: a step whose point is in the folder is read back, not done again."""

    def __init__(self, spec: RunSpec, folder: Run, data: Data, device: str, units: float) -> None:
        self.spec, self.folder, self.data, self.device = spec, folder, data, device
        self._points = folder.points()
        self._units, self._done = units, 0.0
        self._started = time.monotonic()

    def step(self, key: Key, units: float, work: Callable[[int], Network]) -> Network:
        """The network of a step, in the form that was stored, whether it was made now or before an interruption.

        `work` gets the step's number, `units` is its share of the run's progress.
        """
        number = next((p["point"] for p in self._points if key.of(p)), None)
        if number is None:
            number = len(self._points)
            self._started = time.monotonic()
            self._record(key, number, work(number), units)
        self._done += units
        return Network(*saved.read(self.folder.model_file(number, "plan.json"), self._weights(number)))

    def base(self, metric: str) -> int:
        """The baseline's value of a target metric."""
        return int(self._points[0][metric])

    def checkpoint(self, number: int) -> Path:
        """Where the training of a step keeps what it resumes from."""
        return self.folder.checkpoint / f"p{number}.safetensors"

    def say(self, key: Key, message: str, part: float = 0.0) -> None:
        """Tell the folder what is going on; `part` is what of the step's units is done."""
        progress = min((self._done + part) / self._units, 0.999)
        self.folder.update(phase=key.phase, message=f"{key.label()}, {message}", progress=round(progress, 4))
        self.folder.event(
            "phase", phase=key.phase, keep=key.keep, stage=key.stage, message=message, progress=round(progress, 4)
        )

    def epochs(self, key: Key, doing: str, units: float) -> Callable[[EpochResult], None]:
        """A listener that writes an event and the progress after every epoch."""

        def on_epoch(epoch: EpochResult) -> None:
            self.folder.event("epoch", stage=key.stage, phase=key.phase, keep=key.keep, **vars(epoch))
            self.say(key, f"{doing}, epoch {epoch.epoch}/{epoch.epochs}", units * epoch.epoch / epoch.epochs)

        return on_epoch

    def _weights(self, number: int) -> Path:
        return self.folder.model_file(number, "safetensors")

    def _record(self, key: Key, number: int, network: Network, units: float) -> None:
        """Measure and store; the line in points.jsonl comes last and says that everything else is there."""
        self.say(key, "measuring", units)
        network.module.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        saved.write(network.module, network.plan, self.folder.model_file(number, "plan.json"), self._weights(number))
        onnx.export(network.module, self.data.image, self.folder.model_file(number, "onnx"))
        point = self._measure(key, number, network)
        self.folder.append_point(point)
        self._points.append(point)
        self.checkpoint(number).unlink(missing_ok=True)
        self.folder.event("point", point=number, stage=key.stage, phase=key.phase, keep=key.keep, top1=point["top1"])

    def _measure(self, key: Key, number: int, network: Network) -> dict[str, Any]:
        described = network.describe()
        counts = count(network.module, self.data.image)
        counted, predicted = (counts.macs, counts.params), (described.sheet.macs, described.sheet.params)
        if counted != predicted:
            raise WorkError(f"two ways of counting MACs and parameters disagree: {counted} and {predicted}")
        timed = latency.time_onnx(self.folder.model_file(number, "onnx"), self.data.image)
        test = evaluate(network.module, self.data.test, self.data, self.device)
        val = evaluate(network.module, self.data.val, self.data, self.device)
        network.module.cpu()
        base = self._points[0] if self._points else vars(counts)
        asked = None if key.stage == "baseline" else {"metric": self.spec.target.metric, "keep": key.keep}
        got = {"macs": counts.macs / base["macs"], "params": counts.params / base["params"]}
        point = {
            "point": number,
            "stage": key.stage,
            "phase": key.phase,
            "keep": key.keep,
            "final": key.final,
            "top1": test.top1,
            "top5": test.top5_share,
            "loss": test.loss,
            "correct": test.correct,
            "total": test.total,
            "val_top1": val.top1,
            "val_total": val.total,
            "params": counts.params,
            "macs": counts.macs,
            "bytes": counts.bytes,
            "asked": asked,
            "got": got,
            "blocks_removed": [block for step in network.plan.steps for block in step.blocks],
            "widths": self._widths(described),
            "latency": [timed.as_json()],
            "seconds": round(time.monotonic() - self._started, 2),
        }
        return point | self._note(key, got)

    def _note(self, key: Key, got: dict[str, float]) -> dict[str, str]:
        """Blocks are large: where they go last a point may land lower than asked, and says so."""
        metric = self.spec.target.metric
        if key.final and key.phase == "layers" and got[metric] < (1 - TIGHT) * key.keep:
            return {"note": f"the last block takes the {metric} to {got[metric]:.3f}×, below the {key.keep:g}× asked"}
        return {}

    def _widths(self, described: Described) -> dict[str, list[int]]:
        """Original and kept output channels of every convolution, in order of depth; 0 kept in removed blocks."""
        now = {layer.name: layer.width for layer in described.sheet.layers if layer.kind != "linear"}
        original = {n: w[0] for n, w in self._points[0]["widths"].items()} if self._points else now
        return {name: [width, now.get(name, 0)] for name, width in original.items()}


def same_baseline(folder: Run, spec: RunSpec) -> tuple[str, Network] | None:
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
                return other.id, Network(*saved.read(plan_file, weights_file))
        except (RequestError, WorkError):  # another version's, damaged, or deleted meanwhile: not ours to judge
            continue
    return None


def _baseline_of(spec: RunSpec) -> tuple[Any, ...]:
    return spec.model, spec.weights, spec.data, spec.train, spec.seed
