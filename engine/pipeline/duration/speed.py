"""How fast this machine trains and evaluates a network: a few batches of random images, timed for some seconds."""

import time
from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

from engine.data.load import classes_and_image
from engine.data.outline import outline_of
from engine.measure import machine
from engine.measure.counters import count
from engine.measure.uncompiled import uncompiled
from engine.pipeline.duration.estimate import Speed, declared_counts
from engine.spec import catalog
from engine.spec.run import RunSpec
from engine.train.layout import layout_of
from engine.train.recipe import Recipe, sgd
from engine.zoo.build import build
from engine.zoo.makers import made_for

SECONDS = 0.7  # for which each of the two is repeated
_MOST_IMAGES, _FEWEST_IMAGES = 64, 4  # of a batch
_MACS = 3e9  # of a batch's forward pass: a large network gets a small batch


def measure(spec: RunSpec) -> Speed:
    """Seconds that an image of this request takes, on the device that it would run on. Nothing is loaded but code."""
    device = torch.device(machine.resolve_device(spec.device))
    classes, image = classes_and_image(spec.data, made_for(spec.model))
    module = build(spec.model, classes, image, "none", spec.seed).module
    macs = count(module, image).macs
    size = max(_FEWEST_IMAGES, min(_MOST_IMAGES, int(_MACS / max(macs, 1))))
    layout = layout_of(module, device)
    module.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    images = torch.randn(size, *image, device=device).contiguous(memory_format=layout)
    labels = torch.zeros(size, dtype=torch.long, device=device)
    with uncompiled(torch.optim.Optimizer):
        train = _repeat(_training_step(module, spec, images, labels), device) / size
    return Speed(
        train=train,
        evaluate=_repeat(_forward_pass(module, images), device) / size,
        device=device.type,
        threads=torch.get_num_threads(),
    )


def counts_of(spec: RunSpec) -> Mapping[str, int]:
    """The images of the splits that the data of a request has itself, of a pair those of its source; no image is read.

    RequestError where files are missing or wrong.
    """
    declared = declared_counts(spec.data.name)
    if declared is not None:
        return declared
    source = spec.data.model_copy(update={"name": catalog.halves(spec.data.name)[0]})
    known = outline_of(source, made_for(spec.model))
    if known.counts is not None:
        return dict(known.counts)
    parts = known.read()
    splits = {"train": parts.train, "val": parts.val, "test": parts.test}
    return {name: len(split) for name, split in splits.items() if split is not None}


def _training_step(
    module: nn.Module, spec: RunSpec, images: torch.Tensor, labels: torch.Tensor
) -> Callable[[], object]:
    optimizer = sgd(module, Recipe(1, spec.train.lr, spec.train.batch_size, spec.train.weight_decay))

    def step() -> None:
        module.train()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(module(images).float(), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _forward_pass(module: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    def step() -> None:
        module.eval()
        with torch.inference_mode():
            module(images)

    return step


def _repeat(action: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call: the shortest, as whatever else the machine does only adds; the first one is not counted."""
    action()
    shortest, started = float("inf"), time.perf_counter()
    while time.perf_counter() - started < SECONDS or shortest == float("inf"):
        before = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        shortest = min(shortest, time.perf_counter() - before)
    return shortest
