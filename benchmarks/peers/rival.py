"""Torch-Pruning on the same network, data and training budget as our runs; and the baseline beside both."""

import copy
import dataclasses
import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.entries import EPOCHS, KEEP, LR, THEIRS_HELPED, Entry
from engine.data.load import Data
from engine.data.loader import batches
from engine.export import onnx
from engine.measure.counters import count
from engine.pipeline import recovery
from engine.pipeline.start.inputs import load_network
from engine.spec.run import RunSpec
from engine.storage.atomic import write_json
from engine.train.distil import Teacher
from engine.train.evaluate import evaluate, reestimate_bn
from engine.train.fit import fit
from engine.train.recipe import Recipe

MICRO_STEPS = 400  # for the whole network, as in its own benchmark
RECOVERED = 2  # the number of the recovered point in a one-shot run of ours: its training's seed comes from it

IMPORTANCE: dict[str, Callable[[], Any]] = {
    "fpgm": tp.importance.FPGMImportance,
    "l1": partial(tp.importance.MagnitudeImportance, p=1),
    "bn_scale": tp.importance.BNScaleImportance,
    "taylor": tp.importance.TaylorImportance,
    "lamp": tp.importance.LAMPImportance,
    "random": tp.importance.RandomImportance,
}


def compete(entry: Entry, like: RunSpec, file: Path) -> None:
    """Prune, fine-tune and measure; `like` is a one-shot run of ours, `file` the JSON to write, with ONNX beside it."""
    inputs = load_network(like)
    data, baseline = inputs.data, inputs.network.module
    module = copy.deepcopy(baseline)
    torch.manual_seed(like.seed)
    started = time.perf_counter()
    steps = prune(module, entry.criterion, data, like.seed)
    seconds = time.perf_counter() - started
    settings = like.recover
    teacher = (
        Teacher(copy.deepcopy(baseline), settings.temperature, settings.distil_weight) if entry.distilled else None
    )
    if entry.method == THEIRS_HELPED:
        reestimate_bn(module, data.train, data, inputs.device)
    recipe = Recipe(EPOCHS, LR, like.train.batch_size, like.train.weight_decay)
    seed = recovery.seed_of(like.seed, RECOVERED)
    plain = dataclasses.replace(data, crop=0)
    fit(module, plain, recipe, inputs.device, seed, on_epoch=lambda _: None, teacher=teacher)
    kept = count(module, data.image).macs / count(baseline, data.image).macs
    batches_ = EPOCHS * math.ceil(len(data.train) / recipe.batch_size)
    more = {"steps": steps, "version": version("torch-pruning")}
    _write(file, like, module, data, macs=kept, batches=batches_, seconds=seconds, **more)


def measure_baseline(like: RunSpec, file: Path) -> None:
    """Measure the network that all of them start from, in the same way."""
    inputs = load_network(like)
    _write(file, like, inputs.network.module, inputs.data, macs=1.0, batches=0, seconds=0.0)


def prune(module: nn.Module, importance: str, data: Data, seed: int) -> int:
    """Torch-Pruning's micro-steps inside the blocks until half the MACs are left; how many it took.

    The residual stream stays as it is: on padded shortcuts Torch-Pruning cuts it into a network that does not run.
    """
    warnings.simplefilter("ignore")
    images = torch.randn(1, *data.image)
    stem_and_head = [module.get_submodule("conv1"), module.get_submodule("fc")]
    pruner = tp.pruner.BasePruner(
        module,
        images,
        importance=IMPORTANCE[importance](),
        global_pruning=True,
        pruning_ratio=1.0,
        iterative_steps=MICRO_STEPS,
        ignored_layers=[*stem_and_head, *(m for name, m in module.named_modules() if name.endswith(".conv2"))],
    )
    enough = KEEP * tp.utils.count_ops_and_params(module, images)[0]
    exactly = KEEP * count(module, data.image).macs
    calibration = _forever(data, seed)
    for step in itertools.count():
        # Its own count is quick and a little different, as batch norms are part of it; ours decides.
        if tp.utils.count_ops_and_params(module, images)[0] <= enough and count(module, data.image).macs <= exactly:
            return step
        if importance == "taylor":
            _gradients(module, *next(calibration))
        pruner.step()
    raise AssertionError("unreachable")


def _gradients(module: nn.Module, images: Tensor, labels: Tensor) -> None:
    module.zero_grad()
    F.cross_entropy(module(images), labels).backward()  # type: ignore[no-untyped-call]


def _forever(data: Data, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    for epoch in itertools.count(seed * 1000):
        yield from batches(data.train, data, 128, "cpu", seed=epoch)


def _write(file: Path, like: RunSpec, module: nn.Module, data: Data, **fields: Any) -> None:
    test = evaluate(module, data.test, data, "cpu")
    module.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.export(module, data.image, file.with_suffix(".onnx"))
    write_json(file, {"like": like.canonical(), "correct": test.correct, "total": test.total, **fields})
