"""Training, fine-tuning, recovering: one loop, repeatable on the CPU for a seed and a number of threads."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import count, islice, repeat
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.data.load import Data
from engine.data.loader import batches as split_batches
from engine.errors import WorkError
from engine.measure.uncompiled import uncompiled
from engine.train import checkpoint as checkpoints
from engine.train.adversarial import Adversary, pseudo_label_loss, tap
from engine.train.distil import Teacher
from engine.train.evaluate import evaluate
from engine.train.layout import layout_of
from engine.train.recipe import Recipe, sgd

CHECKPOINT_SECONDS = 2.0  # at most one checkpoint in this time: tiny networks would spend theirs waiting for the disk
_FINITE_CHECK_STEPS = 20  # reading the loss waits for the GPU, so not after every step

OnBatch = Callable[[float], None]  # of how much is behind, after every batch
_Heard = Callable[[int, int], None]  # of the batches and the images of a pass that are behind


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch, 1 ≤ `epoch` ≤ `epochs`: mean training loss, shares correct, the last rate, wall seconds.

    `train_top1` is counted on the augmented training batches as they pass, `val_top1` after the epoch.
    """

    epoch: int
    epochs: int
    loss: float
    train_top1: float
    val_top1: float
    lr: float
    seconds: float


def fit(
    module: nn.Module,
    data: Data,
    recipe: Recipe,
    device: str | torch.device,
    seed: int,
    *,
    on_epoch: Callable[[EpochResult], None],
    on_batch: OnBatch | None = None,
    checkpoint: Path | None = None,
    teacher: Teacher | None = None,
    adversary: Adversary | None = None,
) -> None:
    """Trains `module` in place on `data.train`; it ends on `device`, in evaluation mode.

    The loss is the cross-entropy or, with a `teacher` (whose network is moved to `device`), the teacher's; with an
    `adversary` each batch has as many images of a target domain beside, and what goes along with the network is
    trained, too.

    On the CPU the result depends on the weights, the data, the recipe, the teacher, `seed` and the number of threads
    only: each epoch's order, augmentation and dropout come from (`seed`, epoch). With `checkpoint` a training that was
    stopped goes on after the last epoch written there and ends with the same weights, bit for bit; `on_epoch` may then
    hear of an epoch again, as it is called before the file is written. The file is left to the caller, who records the
    result and deletes it. `on_batch` hears after every batch how many epochs are behind, such as 2.25. On CUDA the
    forward pass runs in bfloat16 where the GPU has it.

    Raises WorkError when the loss is not finite, there are fewer than two images, or the checkpoint is of another
    training.
    """
    identity = {"recipe": asdict(recipe), "seed": seed, "data": data.name, "images": len(data.train)}
    if teacher:
        identity["distil"] = teacher.settings
    if adversary:
        identity["transfer"] = adversary.settings
    with _training(module, data, recipe, device, seed, recipe.lr_at, teacher, adversary) as training:
        start = checkpoints.restore(checkpoint, training.trained, training.optimizer, identity) if checkpoint else 0
        written = time.monotonic()
        for epoch in range(start, recipe.epochs):
            on_epoch(training.run_epoch(epoch, on_batch))
            due = time.monotonic() - written >= CHECKPOINT_SECONDS and epoch + 1 < recipe.epochs
            if checkpoint and due:
                checkpoints.save(checkpoint, training.trained, training.optimizer, epoch + 1, identity)
                written = time.monotonic()


def fit_batches(
    module: nn.Module,
    data: Data,
    recipe: Recipe,
    device: str | torch.device,
    seed: int,
    *,
    batches: int,
    on_batch: OnBatch | None = None,
    teacher: Teacher | None = None,
    adversary: Adversary | None = None,
) -> float:
    """Trains `module` in place on exactly `batches` ≥ 1 batches of `data.train`, at `recipe.lr` throughout, from rest.

    Passes over the split follow one another until there are enough; of the recipe, epochs and schedule do not count.
    The same `seed` means the same images again: repeated recoveries need one each. Returns the mean training loss of
    an image. Where the network ends, what the result depends on and what is raised are as for `fit`; nothing is
    evaluated, and there is no checkpoint. `on_batch` hears how many batches are behind.
    """
    if batches < 1:
        raise ValueError("a recovery takes at least one batch")
    remaining, loss_sum, images = batches, 0.0, 0
    with _training(module, data, recipe, device, seed, lambda _: recipe.lr, teacher, adversary) as training:
        for epoch in count():
            result = training.run_pass(epoch, remaining, _counted(on_batch, batches - remaining))
            remaining -= result.batches
            loss_sum += result.loss_sum
            images += result.images
            if not remaining:
                break
    return loss_sum / images


def _counted(on_batch: OnBatch | None, before: int) -> _Heard | None:
    """A listener that hears how many batches are behind, those of earlier passes with them."""
    return None if on_batch is None else lambda batches, _: on_batch(before + batches)


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of one epoch's order, augmentation and dropout: 63 bits, unrelated between epochs and between seeds."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{epoch}".encode()).digest()[:8]) >> 1


@contextmanager
def _training(
    module: nn.Module,
    data: Data,
    recipe: Recipe,
    device: str | torch.device,
    seed: int,
    rate: Callable[[float], float],
    teacher: Teacher | None,
    adversary: Adversary | None,
) -> Iterator["_Training"]:
    """Lays `module` out for training, and puts it into plain memory and evaluation mode at the end."""
    if len(data.train) < 2:
        raise WorkError(f"training needs at least two images; {data.name} has {len(data.train)} for training")
    device = torch.device(device)
    layout = layout_of(module, device)
    module.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    if teacher:
        teacher.module.to(device)
    trained, features = module, None
    with ExitStack() as stack:
        stack.enter_context(uncompiled(torch.optim.Optimizer))
        if adversary:
            trained = nn.ModuleDict({"network": module, "adaptation": adversary.adaptation.to(device)})
            features = stack.enter_context(tap(module, adversary.head))
        try:
            optimizer = sgd(trained, recipe)
            yield _Training(
                module, trained, optimizer, data, recipe, device, layout, seed, rate, teacher, adversary, features
            )
        finally:
            module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            module.eval()
            if adversary:
                adversary.adaptation.cpu()


@dataclass(frozen=True)
class _Pass:
    """What a pass over the training split, or its beginning, came to."""

    batches: int
    images: int
    loss_sum: float  # over images
    correct: int
    lr: float  # the last one


@dataclass(frozen=True)
class _Training:
    """What stays the same from epoch to epoch. `rate` is the learning rate at a moment counted in epochs.

    `trained` is the network with what is trained beside it; `features` is what its classifier was given last.
    """

    module: nn.Module
    trained: nn.Module
    optimizer: torch.optim.SGD
    data: Data
    recipe: Recipe
    device: torch.device
    layout: torch.memory_format
    seed: int
    rate: Callable[[float], float]
    teacher: Teacher | None
    adversary: Adversary | None
    features: Callable[[], Tensor] | None

    def run_epoch(self, epoch: int, on_batch: OnBatch | None = None) -> EpochResult:
        """Trains for the epoch with this index, from 0, and evaluates on the validation split."""
        started = time.perf_counter()
        if self.adversary:
            self.adversary.start_epoch(self.module, epoch, self.device)
        images = len(self.data.train)
        heard = None if on_batch is None else lambda _, done: on_batch(epoch + done / images)
        result = self.run_pass(epoch, heard=heard)
        val = evaluate(self.module, self.data.val, self.data, self.device)
        return EpochResult(
            epoch=epoch + 1,
            epochs=self.recipe.epochs,
            loss=result.loss_sum / result.images,
            train_top1=result.correct / result.images,
            val_top1=val.top1,
            lr=result.lr,
            seconds=time.perf_counter() - started,
        )

    def run_pass(self, epoch: int, most: int | None = None, heard: _Heard | None = None) -> _Pass:
        """One pass over the training split, ended after `most` batches, with an order and draws of its own."""
        order = epoch_seed(self.seed, epoch)
        accelerators = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=accelerators, device_type="cuda"):
            torch.manual_seed(order)  # dropout and stochastic depth draw from the global generator
            return self._run_pass(epoch, order, most, heard)

    def _run_pass(self, epoch: int, order: int, most: int | None, heard: _Heard | None) -> _Pass:
        train, recipe, device = self.data.train, self.recipe, self.device
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        step, images_done, lr = 0, 0, recipe.lr
        self.module.train()
        loader = split_batches(train, self.data, recipe.batch_size, device, augment=True, seed=order)
        others = self.adversary.batches(recipe.batch_size, device, order) if self.adversary else repeat(None)
        for step, ((images, labels), other) in enumerate(zip(islice(loader, most), others, strict=False), start=1):
            size = len(labels)
            # The middle of the batch: neither a warm-up's first step nor a cosine's last is lost to a rate of 0.
            moment = epoch + (images_done + size / 2) / len(train)
            lr = self.rate(moment)
            loss, logits = self._step(images, labels, other, lr, moment)
            loss_sum += loss * size
            correct += (logits.argmax(dim=1) == labels).sum()
            images_done += size
            if heard is not None:
                heard(step, images_done)
            if step % _FINITE_CHECK_STEPS == 0:
                _require_finite(loss_sum, epoch, lr)
        _require_finite(loss_sum, epoch, lr)
        return _Pass(batches=step, images=images_done, loss_sum=float(loss_sum), correct=int(correct), lr=lr)

    def _step(
        self, images: Tensor, labels: Tensor, other: tuple[Tensor, Tensor] | None, lr: float, moment: float
    ) -> tuple[Tensor, Tensor]:
        bfloat16 = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        images = images.contiguous(memory_format=self.layout)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            if other is None:
                logits = self.module(images)
                loss = self._loss(logits, images, labels)
            else:
                loss, logits = self._transfer_loss(images, labels, other, moment)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach(), logits.detach()

    def _loss(self, logits: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.recipe.label_smoothing
        if self.teacher:
            return self.teacher.loss(logits, images, labels, smoothing)
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)

    def _transfer_loss(
        self, images: Tensor, labels: Tensor, other: tuple[Tensor, Tensor], moment: float
    ) -> tuple[Tensor, Tensor]:
        """The loss of a batch of each domain, and the source's logits: labels, pseudo-labels, and the adversary's."""
        assert self.adversary is not None and self.features is not None
        size, (targets, named) = len(images), other
        logits = self.module(torch.cat([images, targets]).contiguous(memory_format=self.layout))
        features = self.features()
        loss = self._loss(logits[:size], images, labels)
        certain = pseudo_label_loss(logits[size:], named)
        loss = loss + (self.teacher.mixed(certain, logits[size:], targets) if self.teacher else certain)
        if self.adversary.adversarial:
            strength = self.adversary.strength(moment / max(self.recipe.epochs, 1))
            loss = loss + self.adversary.domain_loss(features, size, strength)
        return loss, logits[:size]


def _require_finite(loss_sum: Tensor, epoch: int, lr: float) -> None:
    if not torch.isfinite(loss_sum):
        raise WorkError(
            f"training diverged in epoch {epoch + 1}: the loss is not finite at learning rate {lr:.3g}, which is the "
            "likely cause; lower it (--train-lr before pruning, --recover-lr after)"
        )
