"""Whether scores, cuts, reconstruction and whole runs come out on a device as they do on the CPU."""

import copy
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.gpu.findings import Finding, Section, Sizes, compared
from engine.criteria.calibration import Calibration, prepare_calibration
from engine.criteria.registry import score_blocks, score_filters
from engine.data.load import Data
from engine.data.loader import batches
from engine.graph.summarize import summarize
from engine.graph.summary import Block
from engine.jobs.child import execute
from engine.pipeline import run as pipeline
from engine.pipeline.start.inputs import load_network
from engine.spec import run as run_spec
from engine.spec.catalog import CRITERIA, Criterion
from engine.storage.store import Store
from engine.surgery import plan
from engine.surgery.reconstruction.refit import reconstruct
from engine.train.fit import fit
from engine.train.recipe import Recipe

MODEL = "resnet20"
IMAGES = 512  # of the reconstruction
USUAL = 1e-3  # of the largest score of a layer
TOLERANCES = {"taylor": 1e-2, "obd": 1e-2, "feature_rank": 2e-2, "accuracy": 2e-2}  # squares, ranks and counts
RECONSTRUCTION = 1e-2  # of the logits' root mean square
ACCURACY = 0.05  # between two trainings of the same network
METHODS: dict[str, dict[str, Any]] = {
    "one-shot, blocks first": {"order": "layers-channels", "criterion": "l1", "recover": {"epochs": 1}},
    "one-shot, channels first": {"order": "channels-layers", "criterion": "taylor", "recover": {"epochs": 1}},
    "direct": {
        "order": "layers",
        "depth": {"method": "direct"},
        "recover": {"epochs": 0, "between_steps_batches": 2},
    },
    "progressive": {
        "order": "channels",
        "criterion": "fpgm",
        "width": {"method": "progressive", "attempt_fraction": 0.3, "layers_per_step": 0.5},
        "recover": {"epochs": 0, "between_steps_batches": 2},
    },
    "alternate": {"order": "alternate", "criterion": "l1", "recover": {"epochs": 0, "between_steps_batches": 2}},
    "distilled": {"order": "channels", "criterion": "l1", "recover": {"epochs": 1, "distil": True}},
    "batch norm re-estimated": {
        "order": "channels",
        "criterion": "l1",
        "recover": {"epochs": 0, "reestimate_bn": True},
    },
}


@dataclass(frozen=True)
class Subject:
    """A network trained on the device, lying on the CPU, and its data."""

    module: nn.Module
    data: Data
    device: str
    sizes: Sizes

    def calibration(self, device: str) -> Calibration:
        """A copy of the network on `device`, ready to be scored."""
        module = copy.deepcopy(self.module)
        structure = summarize(module, self.data.image, MODEL)
        return prepare_calibration(module, structure.trace, self.data.val, self.data, device, 0)

    def images(self, count: int) -> Tensor:
        """Normalised training images on the CPU."""
        images, _ = next(batches(self.data.train, self.data, count, "cpu"))
        return images


def train_subject(device: str, sizes: Sizes) -> Subject:
    """A network that has learned something: fresh ones hide what goes wrong."""
    request = {"model": MODEL, "data": {"name": sizes.data, "limit": sizes.images}, "device": "cpu"}
    inputs = load_network(run_spec.parse(request))
    module = inputs.network.module
    fit(module, inputs.data, Recipe(sizes.epochs, 0.05), device, 0, on_epoch=lambda _: None)
    return Subject(module.cpu(), inputs.data, device, sizes)


def check_criteria(subject: Subject) -> Section:
    """Every criterion, of channels and of blocks."""
    there = [subject.calibration(device) for device in ("cpu", subject.device)]
    structure = summarize(copy.deepcopy(subject.module), subject.data.image, MODEL)
    blocks = [block for block in structure.summary.blocks if block.removable]
    scopes = [(c, s) for c in CRITERIA.values() for s in ("channels", "blocks") if c.scope in ("both", s)]
    return compared("Criteria", [_criterion(there, blocks, criterion, scope) for criterion, scope in scopes])


def _criterion(there: list[Calibration], blocks: list[Block], criterion: Criterion, scope: str) -> Finding:
    scores, seconds = [], []
    for calibration in there:
        started = time.perf_counter()
        scores.append(_scores(calibration, blocks, criterion.name, scope))
        seconds.append(time.perf_counter() - started)
    tolerance = TOLERANCES.get(criterion.name, USUAL)
    difference = _largest_difference(*scores)
    cpu, device = (f"{spent:.2f} s" for spent in seconds)
    return Finding(f"{criterion.name}, {scope}", cpu, device, difference, tolerance)


def _scores(calibration: Calibration, blocks: list[Block], criterion: str, scope: str) -> Mapping[str, Any]:
    if scope == "channels":
        return score_filters(calibration, criterion)
    scores = score_blocks(calibration, blocks, criterion)
    return {"blocks": np.array([scores[block.name] for block in blocks])}


def _largest_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Over all layers, the largest difference as a share of the layer's largest score."""
    if first.keys() != second.keys():
        return float("nan")
    return max(
        float(np.abs(first[name] - second[name]).max() / max(np.abs(first[name]).max(), 1e-12)) for name in first
    )


def check_reconstruction(subject: Subject) -> Section:
    """Half of every layer's channels, by their numbers, and one block, refitted on both."""
    structure = summarize(subject.module, subject.data.image, MODEL)
    removable = [block.name for block in structure.summary.blocks if block.removable]
    groups = enumerate(structure.summary.channel_groups)
    halves = {c: np.arange(group.size // 2, group.size) for c, group in groups if group.removable and not group.shared}
    steps = {
        "half the channels inside blocks": plan.channel_step(structure.trace, structure.identities_at(halves)),
        "a block": plan.Step(blocks=tuple(removable[-1:])),
    }
    return compared("Reconstruction", [_reconstruction(subject, name, step) for name, step in steps.items()])


def _reconstruction(subject: Subject, name: str, step: plan.Step) -> Finding:
    images = subject.images(IMAGES)
    logits, seconds = [], []
    for device in ("cpu", subject.device):
        untouched = copy.deepcopy(subject.module).eval()
        cut = copy.deepcopy(untouched)
        plan.apply(step, cut, summarize(untouched, subject.data.image, MODEL))
        cut, untouched, there = cut.to(device), untouched.to(device), images.to(device)
        started = time.perf_counter()
        reconstruct(cut, untouched, [step], there)
        synchronize(device)
        seconds.append(time.perf_counter() - started)
        with torch.inference_mode():
            logits.append(cut(there).cpu().double())
    difference = float((logits[0] - logits[1]).square().mean().sqrt() / logits[0].square().mean().sqrt())
    on_cpu, on_device = (f"{spent:.2f} s" for spent in seconds)
    return Finding(name, on_cpu, on_device, difference, RECONSTRUCTION)


def check_methods(subject: Subject) -> Section:
    """Whole runs of every method, with the CPU and with the device."""
    findings = []
    with tempfile.TemporaryDirectory(prefix="espalier-gpu-") as scratch:
        weights = Path(scratch) / "baseline.safetensors"
        state = {name: tensor.contiguous() for name, tensor in subject.module.state_dict().items()}
        save_file(state, weights)
        for name, settings in METHODS.items():
            points = [_last_point(subject, settings, weights, device) for device in ("cpu", subject.device)]
            cpu, device = (f"{p['val_top1']:.1%}, {p['macs']:,} MACs, {p['seconds']:.0f} s" for p in points)
            apart = abs(points[0]["val_top1"] - points[1]["val_top1"])
            findings.append(Finding(name, cpu, device, apart, ACCURACY))
    return compared("Whole runs, by validation accuracy", findings)


def _last_point(subject: Subject, settings: dict[str, Any], weights: Path, device: str) -> dict[str, Any]:
    request = {
        "model": MODEL,
        "weights": str(weights),
        "data": {"name": subject.data.name, "limit": subject.sizes.images},
        "target": {"keep": [0.7]},
        "device": device,
        **settings,
    }
    store = Store(weights.parent / f"results-{device}", gallery=weights.parent / "none")
    run = store.create(run_spec.parse(request), foreground=True)
    started = time.perf_counter()
    if execute(run, pipeline.run) != "done":
        raise SystemExit(f"{settings} on {device}: {run.status().message}")
    return run.points()[-1].to_json() | {"seconds": time.perf_counter() - started}


def synchronize(device: str) -> None:
    """Wait for what was asked of the device."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
