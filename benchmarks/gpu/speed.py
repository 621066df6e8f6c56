"""How fast a device trains beside torchvision with a DataLoader and beside its own limits, and its memory."""

import copy
import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.gpu.agreement import synchronize
from benchmarks.gpu.findings import Section, Sizes
from engine.data.load import Data
from engine.data.loader import normalise
from engine.data.split import Split
from engine.graph.summarize import summarize
from engine.measure.counters import count
from engine.spec.catalog import IMAGENET
from engine.surgery import plan
from engine.surgery.reconstruction.refit import reconstruct
from engine.train.fit import EpochResult, fit
from engine.train.recipe import Recipe, sgd
from engine.zoo.build import construct

IMAGE = (3, 32, 32)
BATCH = 128
WORKERS = 8
PASSES = 6  # of a forward pass's multiply–accumulates, as operations: one forward, two backward, each two operations
MATRIX = 8192


def measure_training(device: str, sizes: Sizes) -> Section:
    """Images per second: ours, torchvision's way, one resident batch over and over, and what the arithmetic allows."""
    data = _random_data(sizes)
    module = construct(sizes.depth, 10)
    macs = count(module, IMAGE).macs
    limit = _matrix_operations(device, sizes) / (PASSES * macs)
    rates: dict[str, tuple[float, float]] = {}
    ways: dict[str, Callable[[nn.Module, Data, str, Sizes], float]] = {
        "ours: `fit`, images on the device": _ours,
        "torchvision's transforms, DataLoader": _theirs,
        "one resident batch, no data": _resident,
    }
    for name, way in ways.items():
        _reset(device)
        rates[name] = way(copy.deepcopy(module), data, device, sizes), _peak(device)
    base = rates["torchvision's transforms, DataLoader"][0]
    rows = [[name, f"{r:,.0f}", f"{r / base:.2f}×", f"{r / limit:.1%}", _memory(p)] for name, (r, p) in rates.items()]
    rows.append(["large matrix products alone", f"{limit:,.0f}", f"{limit / base:.2f}×", "100 %", "–"])
    head = ("training of " + sizes.depth, "images/s", "of torchvision's", "of the limit", "peak memory")
    slower = rates["ours: `fit`, images on the device"][0] < base and device.startswith("cuda")
    return Section("Speed of training", head, tuple(rows), ("slower than torchvision's way",) if slower else ())


def measure_wide_reconstruction(device: str, sizes: Sizes) -> Section:
    """Half the channels inside blocks of a network for large images, refitted: seconds and memory."""
    module = construct(sizes.wide, 1000).eval()
    image = (3, sizes.wide_side, sizes.wide_side)
    structure = summarize(module, image)
    groups = enumerate(structure.summary.channel_groups)
    halves = {c: np.arange(group.size // 2, group.size) for c, group in groups if group.removable and not group.shared}
    step = plan.channel_step(structure.trace, structure.identities_at(halves))
    cut = copy.deepcopy(module)
    plan.apply(step, cut, structure)
    images = torch.randn(sizes.wide_images, *image, generator=torch.Generator().manual_seed(0))
    _reset(device)
    cut, module, images = cut.to(device), module.to(device), images.to(device)
    started = time.perf_counter()
    reconstruct(cut, module, [step], images)
    synchronize(device)
    seconds = time.perf_counter() - started
    with torch.inference_mode():
        finite = bool(torch.isfinite(cut(images[:8])).all())
    row = [f"{sizes.wide}, {sizes.wide_images} images", f"{seconds:.1f}", _memory(_peak(device))]
    return Section(
        f"Reconstruction at {sizes.wide_side} px",
        ("network", "seconds", "peak memory"),
        (row,),
        () if finite else ("outputs are not finite",),
    )


def _ours(module: nn.Module, data: Data, device: str, sizes: Sizes) -> float:
    """The second of two epochs of the engine's own loop, its validation taken off by there being two images of it."""
    epochs: list[EpochResult] = []
    fit(module, data, Recipe(2, 0.1, BATCH), device, 0, on_epoch=epochs.append)
    return len(data.train) / epochs[-1].seconds


def _theirs(module: nn.Module, data: Data, device: str, sizes: Sizes) -> float:
    """As torchvision's references do it, with the same precision, memory format and optimizer."""
    assert data.train.images is not None
    mean, std = data.mean, data.std
    ways = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    dataset = _Pictures(
        data.train.images, data.train.labels, transforms.Compose([*ways, transforms.Normalize(mean, std)])
    )
    workers = min(WORKERS, os.cpu_count() or 1) if len(dataset) > BATCH else 0
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        pin_memory=device.startswith("cuda"),
        persistent_workers=workers > 0,
    )
    step = _Step(module, device)
    for images, labels in loader:  # workers start, kernels are chosen
        step(images, labels)
    return _rate(loader, step, device)


def _rate(batches: Any, step: "_Step", device: str) -> float:
    """Images per second of one pass."""
    synchronize(device)
    started, images_done = time.perf_counter(), 0
    for images, labels in batches:
        step(images, labels)
        images_done += len(labels)
    synchronize(device)
    return images_done / (time.perf_counter() - started)


def _resident(module: nn.Module, data: Data, device: str, sizes: Sizes) -> float:
    """The same step on one batch that lies on the device, for some seconds."""
    assert data.train.images is not None
    images = normalise(data.train.images[:BATCH].to(device), data)
    labels = data.train.labels[:BATCH].to(device)
    step, repeats = _Step(module, device), 1
    while True:
        synchronize(device)
        started = time.perf_counter()
        rate = _rate([(images, labels)] * repeats, step, device)
        if time.perf_counter() - started >= sizes.seconds:
            return rate
        repeats *= 2


class _Step:
    """A training step as the engine's: bfloat16 on a card that has it, channels last, SGD."""

    def __init__(self, module: nn.Module, device: str) -> None:
        self.module = module.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.optimizer, self.device = sgd(self.module, Recipe(1, 0.1, BATCH)), device
        self.mixed = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
        labels = labels.to(self.device, non_blocking=True)
        with torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16, enabled=self.mixed):
            loss = F.cross_entropy(self.module(images), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


class _Pictures(Dataset[tuple[Tensor, int]]):
    """Images as a dataset of torchvision hands them to its transforms."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Any], Tensor]) -> None:
        self.images, self.labels, self.transform = images.movedim(1, 3).numpy(), labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def _random_data(sizes: Sizes) -> Data:
    generator = torch.Generator().manual_seed(0)

    def split(size: int) -> Split:
        pixels = torch.randint(0, 256, (size, *IMAGE), generator=generator, dtype=torch.uint8)
        return Split(pixels, torch.randint(0, 10, (size,), generator=generator))

    mean, std = IMAGENET
    classes = tuple(map(str, range(10)))
    return Data("random", split(sizes.rate_images), split(2), split(2), classes, IMAGE, mean, std, True, 4, ())


def _matrix_operations(device: str, sizes: Sizes) -> float:
    """Operations per second of one large matrix product, in the precision of training."""
    side = MATRIX if device.startswith("cuda") else 512
    kind = torch.bfloat16 if device.startswith("cuda") else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    done, started = 0, 0.0
    for _ in range(2):  # the first time warms it up
        synchronize(device)
        done, started = 0, time.perf_counter()
        while time.perf_counter() - started < sizes.seconds / 5:
            for _ in range(10):
                a @ b
            synchronize(device)
            done += 10
    return 2 * side**3 * done / (time.perf_counter() - started)


def _reset(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> float:
    """MiB of the device that tensors held at most; not a number on the CPU."""
    return torch.cuda.max_memory_allocated() / 2**20 if device.startswith("cuda") else float("nan")


def _memory(mebibytes: float) -> str:
    return "–" if math.isnan(mebibytes) else f"{mebibytes:,.0f} MiB"
